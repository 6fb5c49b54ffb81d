"""What a client tells of itself ten times a second: which brokers it is connected to, and how far behind it is."""

from __future__ import annotations

from collections.abc import Container

import msgspec


class _Broker(msgspec.Struct):
    state: str = ""
    nodeid: int = -1
    rxidle: int = -1


class _Partition(msgspec.Struct):
    partition: int = -1
    leader: int = -1
    consumer_lag: int = -1


class _Topic(msgspec.Struct):
    partitions: dict[str, _Partition] = {}


class Statistics(msgspec.Struct):
    """Brokers, topics and partitions, by name and number."""

    brokers: dict[str, _Broker] = {}
    topics: dict[str, _Topic] = {}

    @property
    def up(self) -> bool:
        """Whether any broker is connected."""
        return any(broker.state == "UP" and broker.nodeid >= 0 for broker in self.brokers.values())

    def idle(self, partitions: Container[int]) -> int | None:
        """Microseconds since every broker that leads one of these partitions was heard; None while one is not there.

        A fetch is answered within ``fetch.wait.max.ms``, at the end of a log with nothing: until then it is known to be silent.
        """
        places = [part for topic in self.topics.values() for part in topic.partitions.values() if part.partition in partitions]
        leading = {part.leader for part in places}
        idle = [each.rxidle for each in self.brokers.values() if each.nodeid in leading and each.state == "UP"]
        return max(idle) if idle and len(idle) == len(leading) and min(idle) >= 0 else None


def read(text: str) -> Statistics:
    """A client's statistics."""
    return msgspec.json.decode(text, type=Statistics)


def is_up(text: str) -> bool:
    """Whether a client's statistics say that any broker is connected."""
    return read(text).up
