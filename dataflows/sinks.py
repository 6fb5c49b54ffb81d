"""What goes out: flags, late events and dead letters as lines, counted on the way."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

from dataflows.connectors.jsonlines import JsonLines
from dataflows.counts import Counts
from dataflows.judge import Dead, Judged, Late
from dataflows.operators.canonical import key_values
from dataflows.shard import Found, Outcome
from models.application.resolved import Application
from models.events.deadletter import dead_letter, late_event
from models.events.flag import FlagBuilder

Line = tuple[str, bytes]


class Sinks:
    """The outputs of one run; ``now`` gives the wall-clock time for ``recordedtime``."""

    def __init__(self, application: Application, now: Callable[[], str], folder: Path | None = None) -> None:
        self.application = application
        self.now = now
        self.counts = Counts()
        self.builders = {pattern.name: FlagBuilder(application, pattern) for pattern in application.patterns.values()}
        outputs = application.outputs
        spool = None if folder is None else folder / "flags.jsonl"
        self.to_stdout = outputs.to is None
        self.flags = JsonLines(_file(outputs.to) or spool)
        self.late = JsonLines(_file(outputs.late))
        self.dead_letters = JsonLines(_file(outputs.dead_letters))

    def flags_of(self, outcome: Outcome) -> Iterator[Line]:
        """A shard's hits as flags; patterns that are only parts of others give none."""
        for name, count in outcome.suppressed.items():
            self.counts.suppressed[name] += count
        for name, count in outcome.guarded.items():
            self.counts.guarded[name] += count
        for found in outcome.hits:
            if found.pattern.mode != "part" and not found.hit.late:
                self.counts.flags[found.pattern.name] += 1
                yield "0", orjson.dumps(self.flag(found))

    def late_flags_of(self, outcome: Outcome) -> Iterator[Line]:
        """Flags that were held back, as the flags they are."""
        for found in outcome.hits:
            if found.pattern.mode != "part" and found.hit.late:
                yield "0", orjson.dumps(self.flag(found))

    def flag(self, found: Found) -> dict[str, object]:
        """A hit as a flag."""
        builder = self.builders[found.pattern.name]
        key = key_values(found.key, [builder.types[name] for name in found.pattern.by.fields])
        return builder.build(found.hit, key, self.now())

    def late_of(self, source: str, judged: Judged) -> Iterator[Line]:
        """Late events of one read, which is counted here."""
        self.counts.judged(source, judged)
        for late in judged.late:
            yield "0", orjson.dumps(late_event(self.application.name, *_values(late)))

    def dead_of(self, judged: Judged) -> Iterator[Line]:
        """Dead letters of one read."""
        for dead in judged.dead:
            yield "0", orjson.dumps(dead_letter(self.application.name, *_values(dead)))

    def finish(self) -> None:
        """Put the files of a bounded run in order; flags without a file go to standard output."""
        for sink in (self.flags, self.late, self.dead_letters):
            sink.finish()
        if self.to_stdout and self.flags.path is not None and self.flags.path.exists():
            sys.stdout.write(self.flags.path.read_text())


def _values(record: Late | Dead) -> list[Any]:
    return [getattr(record, name) for name in record.__slots__]


def _file(output: str | tuple[str, str] | None) -> Path | None:
    return Path(output) if isinstance(output, str) else None
