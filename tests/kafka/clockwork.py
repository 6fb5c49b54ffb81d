"""A live run without a broker and without a clock of its own: logs, time, epochs and kills happen as a test says."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import Message

from dataflows.connectors.kafka.live import END
from dataflows.engine import Engine
from dataflows.planning.plan import plan
from dataflows.reading.alignment import Alignment, Turn
from dataflows.reading.readers import all_readers
from dataflows.reading.records import Place, RecordReader
from dataflows.runtime.part import RecordPart
from dataflows.state.resumed import Resumed
from models.application.load import load
from models.application.resolved.application import Application
from models.application.resolved.sources import KafkaInput
from models.events.flag import FlagBuilder
from tests.kafka.parts import CONNECTION, Clock, Given
from tests.laws.worlds import flag_of

Entry = tuple[int, bytes, int]
"""An offset, a value, and the record's timestamp in milliseconds."""


@dataclass
class Logs:
    """What topics hold: by topic and partition."""

    entries: dict[tuple[str, int], list[Entry]]

    def send(self, topic: str, number: int, value: bytes, now: int) -> None:
        """Append a record."""
        entries = self.entries[topic, number]
        entries.append((len(entries), value, now // 1000))

    def without(self, gone: set[tuple[str, int, int]]) -> Logs:
        """All but some records by topic, partition and offset; the others keep their offsets."""
        return Logs({(t, n): [e for e in entries if (t, n, e[0]) not in gone] for (t, n), entries in self.entries.items()})


@dataclass
class Saved:
    """What a finished epoch left: the state of each part, and that of the shards."""

    parts: dict[str, bytes] = field(default_factory=dict)
    engine: dict[str, Any] | None = None


@dataclass
class Written:
    """What runs wrote: flags by id as bytes, and late events; ``again`` counts repetitions, which must be equal."""

    flags: dict[str, bytes] = field(default_factory=dict)
    late: dict[tuple[str, int, int], tuple[str, int]] = field(default_factory=dict)
    again: int = 0

    def _write(self, into: dict[Any, Any], key: Any, value: Any) -> None:
        self.again += key in into
        assert into.setdefault(key, value) == value, key

    def flag(self, flag: dict[str, Any]) -> None:
        """Take a flag."""
        self._write(self.flags, flag["id"], json.dumps(flag, default=str).encode())

    def miss(self, topic: str, late: Any) -> None:
        """Take a late event."""
        self._write(self.late, (topic, late.partition, late.offset), (late.reason, late.bound))


class Work:
    """One run of an application over logs, from saved state on; ``end``: to the end of the logs instead of for ever."""

    def __init__(
        self, application: Application, logs: Logs, clock: Clock, saved: Saved, written: Written, *, end: bool = False
    ) -> None:
        self.logs = logs
        self.clock = clock
        self.written = written
        self.live = clock.live(end=END if end else None)
        compiled = plan(application)
        readers = [each for each in all_readers(compiled, self._places) if isinstance(each, RecordReader)]
        self.readers = {reader.partition: reader for reader in readers}
        self.engine = Engine(compiled, readers, shards=3)
        if saved.engine is not None:
            self.engine.restore(saved.engine)
        self.builders = {name: FlagBuilder(application, pattern) for name, pattern in application.patterns.items()}
        self.topics = {reader.source: reader.place.topic for reader in readers}
        self.consumers = {topic: Given(CONNECTION, topic, "test", self.live) for topic, _ in logs.entries}
        alignment, joined = Alignment(), Resumed(saved.parts).joined(compiled) if saved.parts else None
        places: dict[str, list[RecordReader]] = {}
        for reader in readers:
            places.setdefault(reader.place.name, []).append(reader)
        self.parts = {
            name: RecordPart(group, self.consumers[group[0].place.topic], alignment, self.live, saved.parts.get(name), joined)
            for name, group in places.items()
        }  # fmt: skip
        self.fetched = {(part.consumer.topic, part.log.number): part.log.offset or 0 for part in self.parts.values()}

    def _places(self, source: KafkaInput) -> list[list[Place]]:
        return [[Place(CONNECTION, t, n) for t, n in self.logs.entries if t == topic] for topic in source.topics]

    def fetch(self) -> None:
        """Have the clients fetch all that there is, and find the logs at their end."""
        for (topic, number), entries in self.logs.entries.items():
            new = [entry for entry in entries if entry[0] >= self.fetched[topic, number]]
            if new:
                found = [Message(topic=topic, partition=number, offset=o, value=v, timestamp=(1, at)) for o, v, at in new]
                self.consumers[topic].logs[number].add(found, self.clock.now)
                self.fetched[topic, number] = new[-1][0] + 1
        for consumer in self.consumers.values():
            consumer.calm()

    def read(self, name: str) -> bool:
        """Let a partition read once; False at its end."""
        try:
            turns = list(self.parts[name].next_batch())
        except StopIteration:
            return False
        for turn in turns:
            self._take(turn)
        return True

    def save(self) -> Saved:
        """End an epoch."""
        return Saved({name: part.snapshot() for name, part in self.parts.items()}, self.engine.snapshot())

    def finish(self) -> None:
        """Read everything."""
        self.fetch()
        open_ = list(self.parts)
        while open_:
            open_ = [name for name in open_ if self.read(name)]

    def _take(self, turn: Turn) -> None:
        reader = self.readers[turn.partition]
        for late in turn.judged.late:
            self.written.miss(self.topics[turn.source], late)
        reader.done = turn.judged.done
        for hit in self.engine.turn(reader, turn.judged).hits:
            self.written.flag(flag_of(self.builders, hit))


def drive(
    application: Application, logs: Logs, clock: Clock, happen: Sequence[Callable[[], None]], dice: random.Random, kill: float
) -> Written:
    """Let everything happen while a run goes on, which is killed now and then; then go on to the end of the logs."""
    written, saved = Written(), Saved()
    work = Work(application, logs, clock, saved, written)
    for event in happen:
        event()
        for _ in range(dice.randint(0, 3)):
            if dice.random() < 0.6:
                work.fetch()
            for name in dice.sample(sorted(work.parts), dice.randint(1, len(work.parts))):
                work.read(name)
            if dice.random() < 0.5:
                after = work.save()
                # What was announced in an epoch that was not finished is forgotten.
                saved = saved if dice.random() < kill else after
                if saved is not after:
                    work = Work(application, logs, clock, saved, written)
            if dice.random() < kill:
                work = Work(application, logs, clock, saved, written)
    Work(application, logs, clock, saved, written, end=True).finish()
    return written


def loaded(folder: Path, text: str) -> Application:
    """An application with the connection of these tests."""
    connections = "connections:\n  main: {kafka: {bootstrap.servers: 127.0.0.1:1}}\n"
    (folder / "app.yaml").write_text(f"tocsin: 1\nname: shop\n{connections}{text}")
    return load(folder / "app.yaml")
