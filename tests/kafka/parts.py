"""Parts of the source without a broker: what is fetched is given by the test, and so is the clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import Message

from dataflows.connectors.kafka.connection import Connection
from dataflows.connectors.kafka.fetch import TopicConsumer
from dataflows.connectors.kafka.live import Live, Span
from dataflows.planning.plan import plan
from dataflows.reading.alignment import Alignment
from dataflows.reading.judge import Judged
from dataflows.reading.readers import all_readers
from dataflows.reading.records import Place, RecordReader
from dataflows.runtime.part import RecordPart
from models.application.load import load

CONNECTION = Connection("main", {"bootstrap.servers": "127.0.0.1:1"})
SECOND = 1_000_000


@dataclass
class Clock:
    """Microseconds, moved by hand."""

    now: int = 1_790_000_000 * SECOND
    said: list[str] = field(default_factory=list)
    stopping: bool = False

    def live(self, **span: Any) -> Live:
        return Live(lambda: self.now, self.said.append, lambda: self.stopping, Span(**span))


class Given(TopicConsumer):
    """A consumer whose messages the test gives; ``calm``: a poll that finds nothing at the end of the logs."""

    def poll(self) -> None:
        """Nothing is fetched."""

    def give(self, values: Sequence[Any], number: int = 0, **more: Any) -> None:
        log = self.logs[number]
        first = log.waiting[-1].offset() + 1 if log.waiting else log.offset or 0
        stamp = (1, self.live.clock() // 1000)
        messages = [
            Message(**{"topic": self.topic, "partition": number, "offset": first + at, "value": value, "timestamp": stamp, **more})
            for at, value in enumerate(values)
        ]
        log.add(messages, self.live.clock())

    def calm(self) -> None:
        for log in self.logs.values():
            log.at_end = True
            if not log.waiting and self.down is None:
                log.quiet = self.live.clock()

    def commit(self, log: Any, offset: int) -> None:
        """Nobody looks."""


def readers_of(folder: Path, text: str, partitions: int = 1) -> list[RecordReader]:
    """The readers of an application over topics of so many partitions."""
    connections = "connections:\n  main: {kafka: {bootstrap.servers: 127.0.0.1:1}}\n"
    (folder / "app.yaml").write_text(f"tocsin: 1\nname: shop\n{connections}{text}")
    application = load(folder / "app.yaml")
    places = lambda source: [[Place(CONNECTION, topic, n) for n in range(partitions)] for topic in source.topics]  # noqa: E731
    return [reader for reader in all_readers(plan(application), places) if isinstance(reader, RecordReader)]


def part_of(
    readers: Sequence[RecordReader], clock: Clock, state: bytes | None = None, joined: Mapping[str, int] | None = None, **span: Any
) -> tuple[RecordPart, Given]:
    """The part of the readers' place."""
    live = clock.live(**span)
    consumer = Given(CONNECTION, readers[0].place.topic, "test", live)
    return RecordPart(readers, consumer, Alignment(), live, state, joined), consumer


def judged(part: RecordPart) -> list[Judged]:
    """What one call gives."""
    return [turn.judged for turn in part.next_batch()]
