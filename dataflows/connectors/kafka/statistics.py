"""What a client tells of itself twice a second: which brokers it is connected to, and how far behind it is."""

from __future__ import annotations

import msgspec


class _Broker(msgspec.Struct):
    state: str = ""
    nodeid: int = -1


class _Partition(msgspec.Struct):
    partition: int = -1
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


def read(text: str) -> Statistics:
    """A client's statistics."""
    return msgspec.json.decode(text, type=Statistics)


def is_up(text: str) -> bool:
    """Whether a client's statistics say that any broker is connected."""
    return read(text).up
