"""Decisions as structured CloudEvents on topics; with no broker at hand they go to a file."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from confluent_kafka import KafkaError, KafkaException, Producer

from agents.effects.outcome import OK, Outcome
from agents.effects.work import Work
from models.events.cloudevents import structured
from models.events.decision import decision_event

_PRODUCER: dict[str, Any] = {
    "client.id": "tocsin-respond", "enable.idempotence": True, "acks": "all", "linger.ms": 5, "compression.type": "lz4",
    "delivery.timeout.ms": 30_000,
}  # fmt: skip
_FINAL = frozenset({
    KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.TOPIC_EXCEPTION, KafkaError.INVALID_RECORD,
})  # fmt: skip


class Sent(NamedTuple):
    """A record for ``CONNECTION/TOPIC``; the key is the decision's, so that compaction keeps one of each."""

    target: str
    key: bytes
    value: bytes
    headers: list[tuple[str, str | bytes | None]]


class Publisher(Protocol):
    """Takes records to topics."""

    async def publish(self, records: Sequence[Sent]) -> Sequence[Outcome]:
        """One outcome a record, once each is acknowledged or not."""


def record(work: Work, application: str) -> Sent:
    """A work's decision as a record."""
    message = work.message
    event = decision_event(dict(message.decision), dict(message.flag), application)
    made = structured(event, str(message.decision.get("id", message.key)).encode())
    headers: list[tuple[str, str | bytes | None]] = [*made.headers, ("idempotency-key", message.key.encode())]
    if message.traceparent:
        headers.append(("traceparent", message.traceparent.encode()))
    return Sent(work.row["target"], made.key or b"", made.value, headers)


class KafkaPublisher:
    """Idempotent producers, one a connection. connections: librdkafka settings by name."""

    def __init__(self, connections: Mapping[str, Mapping[str, str]]) -> None:
        self._connections = connections
        self._producers: dict[str, Producer] = {}

    async def publish(self, records: Sequence[Sent]) -> Sequence[Outcome]:
        """See ``Publisher``."""
        return await asyncio.to_thread(self._publish, records)

    def close(self) -> None:
        """Let go of the brokers."""
        for producer in self._producers.values():
            producer.flush(5)
        self._producers.clear()

    def _publish(self, records: Sequence[Sent]) -> list[Outcome]:
        outcomes: list[Outcome] = [Outcome("failed", detail="the broker did not answer in time")] * len(records)
        used = set()
        for place, each in enumerate(records):
            name, _, topic = each.target.rpartition("/")
            try:
                producer = self._producer(name)
                self._produce(producer, topic, each, outcomes, place)
                used.add(producer)
            except (KafkaException, BufferError) as error:
                outcomes[place] = _failure(error.args[0] if error.args else error)
        for producer in used:
            producer.flush(35)
        return outcomes

    def _produce(self, producer: Producer, topic: str, each: Sent, outcomes: list[Outcome], place: int) -> None:
        def delivered(error: KafkaError | None, _: Any) -> None:
            outcomes[place] = OK if error is None else _failure(error)

        producer.produce(topic, each.value, each.key, headers=each.headers, on_delivery=delivered)
        producer.poll(0)

    def _producer(self, name: str) -> Producer:
        if not name and len(self._connections) == 1:
            name = next(iter(self._connections))
        found = self._producers.get(name)
        if found is None:
            found = Producer({**_PRODUCER, **self._connections[name]}, logger=_Silent())
            self._producers[name] = found
        return found


class FilePublisher:
    """Appends each event as a line to TOPIC.jsonl in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def publish(self, records: Sequence[Sent]) -> Sequence[Outcome]:
        """See ``Publisher``; a repeated record is a repeated line."""
        return await asyncio.to_thread(self._publish, records)

    def _publish(self, records: Sequence[Sent]) -> list[Outcome]:
        self._folder.mkdir(parents=True, exist_ok=True)
        by_topic: dict[str, list[bytes]] = {}
        for each in records:
            by_topic.setdefault(each.target.rpartition("/")[2], []).append(each.value + b"\n")
        for topic, lines in by_topic.items():
            with (self._folder / f"{topic}.jsonl").open("ab") as file:
                file.write(b"".join(lines))
        return [OK] * len(records)


class _Silent:
    def log(self, *_: object) -> None:
        """The client's own lines go nowhere: what matters comes as outcomes."""


def _failure(error: Any) -> Outcome:
    if isinstance(error, KafkaError):
        return Outcome("not_possible" if error.code() in _FINAL else "failed", detail=error.str())
    return Outcome("failed", detail=str(error))
