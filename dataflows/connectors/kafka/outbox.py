"""One idempotent producer of a process: what it could not deliver is never passed over."""

from __future__ import annotations

import orjson
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from dataflows.connectors.kafka.connection import Connection
from dataflows.connectors.kafka.live import Live
from dataflows.connectors.kafka.reasons import GONE, KafkaProblem, explain, kind_of
from dataflows.connectors.kafka.statistics import is_up
from dataflows.connectors.kafka.telling import answers, client_line, waiting
from models.events.cloudevents import Record

_SLICE = 0.5
_SAY_AFTER = 5.0
"""Seconds of waiting for the broker after which the user is told."""

_DRAIN = 10.0
"""Seconds that a run which is to stop waits for the broker."""


class Outbox:
    """Sends records to topics of one connection."""

    def __init__(self, connection: Connection, live: Live) -> None:
        self.connection = connection
        self.live = live
        self.producer: Producer | None = None
        self.failed: KafkaProblem | None = None
        self.reason: str | None = None
        self.down = False

    def send(self, topic: str, record: Record) -> None:
        """Hand a record to the client; waits while its queue is full.

        Raises:
            KafkaProblem: when an earlier record could not be delivered.
        """
        producer = self._open() if self.producer is None else self.producer  # one with an empty queue counts as false
        while True:
            try:
                producer.produce(topic, record.value, record.key, headers=list(record.headers), on_delivery=self._delivered)
                break
            except BufferError:
                producer.poll(_SLICE)
                self._check()
        producer.poll(0)
        self._check()

    def flush(self) -> None:
        """Wait until everything sent is acknowledged.

        Raises:
            KafkaProblem: when something was not.
        """
        if self.producer is None:
            return
        waited, told = 0.0, False
        while self.producer.flush(_SLICE) > 0:
            self._check()
            waited += _SLICE
            if waited >= _DRAIN and self.live.draining():
                cause = self.reason or self._where
                raise KafkaProblem(f"{cause}: {len(self.producer)} records could not be sent before the stop")
            if waited >= _SAY_AFTER and not told:
                told = True
                cause = self.reason or f"{self._where}: the broker does not acknowledge"
                left = len(self.producer)
                self.live.say(waiting(self.connection, cause, f" with {left} records to send", records=left))
        self._check()
        if told:
            self.live.say(answers(self.connection, "everything is sent"))
        self.reason = None

    def close(self) -> None:
        """Leave the broker; what is still on the way is not waited for: it belongs to no finished epoch."""
        self.producer = None

    @property
    def _where(self) -> str:
        return f"connection {self.connection.name!r} ({self.connection.servers})"

    def _open(self) -> Producer:
        self.producer = self.connection.producer(self._error, self._stats, self._line)
        return self.producer

    def _check(self) -> None:
        if self.failed is not None:
            raise self.failed

    def _error(self, error: KafkaError) -> None:
        self.live.failed(kind_of(error))
        self.reason, _ = explain(error, self.connection.name, self.connection.servers)
        if error.code() in GONE:
            self.down = True
            self.live.reached(f"{self.connection.name} (writing)", False)
        if error.fatal():
            self.failed = KafkaProblem(f"{self.reason}. The producer cannot go on: start again")

    def _stats(self, text: str) -> None:
        if self.down and is_up(text):
            self.down = False
            self.live.reached(f"{self.connection.name} (writing)", True)

    def _line(self, level: int, line: str) -> None:
        self.live.note(client_line(self.connection.name, level, line))

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            return
        topic = message.topic()
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE and self._shortened(message):
            return
        detail = {
            KafkaError.MSG_SIZE_TOO_LARGE: "it is larger than the topic takes: raise max.message.bytes of the topic",
            KafkaError.TOPIC_AUTHORIZATION_FAILED: "writing is not allowed: ask for its ACLs",
            KafkaError._MSG_TIMED_OUT: self.reason or "the broker did not acknowledge in time (message.timeout.ms)",
        }.get(error.code(), error.str())
        self.failed = KafkaProblem(
            f"topic {topic!r} on {self._where}: a record could not be delivered: {detail}. The run stops here, so that nothing is "
            "lost; start again to go on"
        )

    def _shortened(self, message: Message) -> bool:
        """Send a late event or dead letter that is too large again, without the bytes that it quotes."""
        try:
            event = orjson.loads(message.value() or b"")
            value = event["data"].pop("value")
        except (ValueError, KeyError, TypeError, AttributeError):
            return False
        if value is None or self.producer is None:
            return False
        event["data"]["value"] = None
        event["data"]["left_out"] = f"value of {len(value) * 3 // 4} bytes: larger than the topic takes"
        headers = message.headers()
        try:
            self.producer.produce(
                message.topic() or "", orjson.dumps(event), message.key(), headers=headers, on_delivery=self._delivered
            )
        except (KafkaException, BufferError):
            return False
        return True
