"""Questions to a broker that are answered soon or not at all: its topics, and the records of one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]

from dataflows.connectors.kafka.connection import Connection
from dataflows.connectors.kafka.live import Live
from dataflows.connectors.kafka.reasons import KafkaProblem, explain
from dataflows.connectors.kafka.topics import PATIENCE, REFUSALS, Asked

_INTERNAL = re.compile(r"__(consumer_offsets|transaction_state)$")
_CHUNK = 1_000
_WAIT = 0.2
_QUIET = 30.0
"""Seconds without a record after which a topic's end is not waited for any more."""


def topics_of(connection: Connection, live: Live) -> dict[str, int]:
    """The number of partitions of every topic that the login may see.

    Raises:
        KafkaProblem: when the broker refuses, or does not answer until the run is to stop.
    """
    asked = Asked(connection, live)
    client = connection.consumer("tocsin", asked, on_line=asked.line)
    try:
        while True:
            try:
                found = client.list_topics(timeout=PATIENCE).topics
                return {name: len(topic.partitions) for name, topic in found.items() if not _INTERNAL.match(name)}
            except KafkaException as error:
                client.poll(0)
                if len(asked.refused) >= REFUSALS:
                    raise KafkaProblem(asked.refused[-1]) from None
                if live.draining():
                    told = asked.refused or sorted(asked.told) or [explain(error.args[0], connection.name, connection.servers)[0]]
                    raise KafkaProblem(told[0]) from None
    finally:
        client.close()


def make_topics(connection: Connection, topics: Mapping[str, int], replication: int) -> None:
    """Make topics of so many partitions; ``replication`` -1: as the broker does by default.

    Raises:
        KafkaProblem: when one cannot be made.
    """
    admin = connection.admin()
    wanted = [NewTopic(name, count, replication) for name, count in topics.items()]
    for name, made in admin.create_topics(wanted, operation_timeout=30).items():
        try:
            made.result(timeout=30)
        except KafkaException as error:
            found: KafkaError = error.args[0]
            where = f"topic {name!r} on connection {connection.name!r} ({connection.servers})"
            raise KafkaProblem(f"{where} cannot be made: {found.str()}. Ask for the right to create it, or for the topic") from None


def ends_of(connection: Connection, places: Iterable[tuple[str, int]], live: Live) -> dict[tuple[str, int], int]:
    """The offset behind the last record of partitions, by topic and number; those that are not there any more are left out.

    Raises:
        KafkaProblem: when the broker does not answer.
    """
    known = topics_of(connection, live)
    consumer = connection.consumer("tocsin", Asked(connection, live))
    try:
        there = [(topic, number) for topic, number in places if number < known.get(topic, 0)]
        marks = {place: consumer.get_watermark_offsets(TopicPartition(*place), timeout=PATIENCE) for place in there}
        return {place: int(found[1]) for place, found in marks.items() if found is not None}
    except KafkaException as error:
        raise KafkaProblem(explain(error.args[0], connection.name, connection.servers)[0]) from None
    finally:
        consumer.close()


class Records:
    """The records of a topic, read to its end: all of them, or the last of each partition.

    Raises:
        KafkaProblem: when the topic does not exist, or the broker does not answer.
    """

    def __init__(self, connection: Connection, topic: str, live: Live, last: int | None = None) -> None:
        self.connection = connection
        self.topic = topic
        self.live = live
        known = topics_of(connection, live)
        if topic not in known:
            raise KafkaProblem(f"topic {topic!r} does not exist on connection {connection.name!r} ({connection.servers})")
        self.asked = Asked(connection, live)
        self.consumer: Consumer = connection.consumer("tocsin", self.asked)
        self.open = set(range(known[topic]))
        self.consumer.assign([TopicPartition(topic, number, self._first(number, last)) for number in self.open])

    def to_the_end(self) -> Iterator[Message]:
        """Records until the end of every partition, as the broker says where that is."""
        quiet = 0.0
        while self.open:
            found = self._next()
            yield from found
            quiet = 0.0 if found else quiet + _WAIT
            if quiet > _QUIET:
                where = f"connection {self.connection.name!r} ({self.connection.servers})"
                raise KafkaProblem(next(iter(self.asked.told), f"{where}: topic {self.topic!r} cannot be read to its end"))

    def for_ever(self) -> Iterator[Message]:
        """Records as they come, until the run is to stop."""
        while not self.live.draining():
            yield from self._next()

    def close(self) -> None:
        """Leave the broker."""
        self.consumer.close()

    def _first(self, number: int, last: int | None) -> int:
        if last is None:
            return int(OFFSET_BEGINNING)
        if last == 0:
            return int(OFFSET_END)
        low, high = self.consumer.get_watermark_offsets(TopicPartition(self.topic, number), timeout=30)
        return int(max(low, high - last))

    def _next(self) -> list[Message]:
        found = []
        for message in self.consumer.consume(_CHUNK, _WAIT):
            error = message.error()
            if error is None:
                found.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                self.open.discard(message.partition() or 0)
        return found
