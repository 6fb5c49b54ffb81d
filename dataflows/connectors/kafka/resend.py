"""Records sent as they are: to a topic's partition, with key and headers, all acknowledged before it returns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from confluent_kafka import KafkaError, Message

from dataflows.connectors.kafka.connection import Connection
from dataflows.connectors.kafka.reasons import KafkaProblem, explain

_SECONDS = 60


class Original(NamedTuple):
    """A record; partition -1: the client chooses by its key."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


def resend(connection: Connection, records: Iterable[Original]) -> int:
    """Send records in order; how many.

    Raises:
        KafkaProblem: when one is not acknowledged.
    """
    failed: list[str] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failed.append(f"topic {message.topic()!r}: {explain(error, connection.name, connection.servers)[0]}")

    reasons: list[str] = []
    producer = connection.producer(lambda error: reasons.append(explain(error, connection.name, connection.servers)[0]))
    sent = 0
    for record in records:
        while True:
            try:
                headers: list[tuple[str, str | bytes | None]] = list(record.headers)
                producer.produce(record.topic, record.value, record.key, record.partition, delivered, headers=headers)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
        sent += 1
    left = producer.flush(_SECONDS)
    if left or failed:
        raise KafkaProblem((failed or reasons or [f"connection {connection.name!r}: {left} records were not acknowledged"])[0])
    return sent
