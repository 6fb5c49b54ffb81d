"""A connection's settings as librdkafka takes them, with defaults that suit each use. Its values are never printed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from dataflows.connectors.kafka.reasons import KafkaProblem

_Client = TypeVar("_Client")
OnError = Callable[[KafkaError], None]
OnStats = Callable[[str], None]
OnLine = Callable[[int, str], None]
"""Takes a line of the client's own log: Python's number of its level, and the text."""
_COMMON: dict[str, Any] = {"client.id": "tocsin", "reconnect.backoff.max.ms": 1_000}
_CONSUMER: dict[str, Any] = {
    "enable.auto.commit": False,
    "enable.partition.eof": True,  # the end of a log is what the broker says, never a count: transactions leave gaps
    "auto.offset.reset": "error",  # a lost offset is told, not jumped over
    "fetch.queue.backoff.ms": 5,  # the stock second leaves the client idle whenever its queue is full
    "queued.min.messages": 100_000,
    "fetch.error.backoff.ms": 100,
    "fetch.wait.max.ms": 100,  # how late the end of a log is known
    "statistics.interval.ms": 100,  # how late it is known that the broker answers
}
_PRODUCER: dict[str, Any] = {
    "enable.idempotence": True,
    "acks": "all",
    "linger.ms": 1,
    "statistics.interval.ms": 500,
    "compression.type": "lz4",
    "message.max.bytes": 64_000_000,  # the broker's own limit is the one that counts
}


@dataclass(frozen=True, slots=True)
class Connection:
    """One ``connections`` entry: its name and any librdkafka settings."""

    name: str
    settings: Mapping[str, str] = field(repr=False)

    @property
    def servers(self) -> str:
        """The brokers' addresses, for messages."""
        return self.settings.get("bootstrap.servers", "(no bootstrap.servers)")

    def consumer(
        self, group: str, on_error: OnError, on_stats: OnStats = lambda text: None, on_line: OnLine | None = None
    ) -> Consumer:
        """A consumer that is assigned its partitions; ``group`` shows its progress to monitoring unless the settings name one."""
        settings = {**_COMMON, **_CONSUMER, "group.id": group, **self.settings, "error_cb": on_error, "stats_cb": on_stats}
        return self._made(lambda: Consumer(settings, logger=_Lines(on_line)))

    def producer(
        self, on_error: OnError, on_stats: OnStats = lambda text: None, on_line: OnLine | None = None
    ) -> Producer:
        """An idempotent producer."""
        settings = {**_COMMON, **_PRODUCER, **self.settings, "error_cb": on_error, "stats_cb": on_stats}
        settings.pop("group.id", None)
        return self._made(lambda: Producer(settings, logger=_Lines(on_line)))

    def admin(self) -> AdminClient:
        """A client that asks about topics, and makes them."""
        settings = {**_COMMON, **self.settings}
        return self._made(lambda: AdminClient(settings, logger=_Lines(None)))

    def _made(self, make: Callable[[], _Client]) -> _Client:
        try:
            return make()
        except KafkaException as error:
            found = error.args[0]
            raise KafkaProblem(f"connection {self.name!r}: {found.str()}; correct its settings", wrong_input=True) from None


class _Lines:
    """Takes the client's own log lines off the screen; what a user needs to know mostly comes through its errors."""

    def __init__(self, on_line: OnLine | None) -> None:
        self.on_line = on_line

    def log(self, level: int, template: str, *words: object) -> None:
        """Take a line."""
        if self.on_line is not None:
            self.on_line(level, template % words)


def connection_of(connections: Mapping[str, Mapping[str, str]], name: str) -> Connection:
    """The connection of a name; the only one may be left out.

    Raises:
        KafkaProblem: when there is none of that name.
    """
    if not name and len(connections) == 1:
        name = next(iter(connections))
    if name not in connections:
        known = ", ".join(connections) or "(none is defined)"
        raise KafkaProblem(f"connection {name!r}: expected one of {known}", wrong_input=True)
    return Connection(name, connections[name])
