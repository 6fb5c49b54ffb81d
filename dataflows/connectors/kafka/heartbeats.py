"""A connector's heartbeats: up to when its tables are known to have no further change."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from confluent_kafka import OFFSET_END

from dataflows.connectors.kafka.fetch import Log, TopicConsumer

_TIMES = (
    ("source", "ts_us", 1), ("source", "ts_ms", 1000), ("", "__source_ts_us", 1), ("", "__source_ts_ms", 1000), ("", "ts_ms", 1000),
)  # fmt: skip
"""Where a heartbeat's time stands, and its microseconds: the database's goes before the connector's."""


class Heartbeats:
    """The newest heartbeat on a connector's topics."""

    def __init__(self, topics: Sequence[tuple[TopicConsumer, int]]) -> None:
        self.topics = topics
        self.newest: int | None = None
        self.logs: list[Log] = []
        for consumer, count in topics:
            self.logs.extend(consumer.log(number, OFFSET_END) for number in range(count))

    def latest(self) -> int | None:
        """Its time in microseconds, None while none came since the run began."""
        for consumer, _ in self.topics:
            consumer.poll()
        for log in self.logs:
            for message in log.take(len(log.waiting)):
                time = heartbeat_time(message.value())
                if time is not None:
                    self.newest = time if self.newest is None else max(self.newest, time)
        return self.newest


def heartbeat_time(value: bytes | None) -> int | None:
    """The time in microseconds of a heartbeat's value, with or without its schema; None for anything else.

    A change of a table that is written for the purpose (Debezium's ``heartbeat.action.query``) counts by the time of its commit,
    whether it is an envelope or flattened.

    >>> heartbeat_time(b'{"ts_ms":1700000000000}')
    1700000000000000
    """
    try:
        found = orjson.loads(value or b"null")
        found = found.get("payload", found)
        for holder, name, factor in _TIMES:
            time = (found.get(holder) or {}).get(name) if holder else found.get(name)
            if time is not None:
                return int(time) * factor
        return None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
