"""What goes out: flags, late events and dead letters as lines, counted on the way."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from dataflows.connectors.jsonlines import JsonLines, WriteFailed
from dataflows.connectors.kafka.connection import connection_of
from dataflows.connectors.kafka.live import Live
from dataflows.connectors.kafka.outbox import Outbox
from dataflows.connectors.kafka.sink import KafkaSink
from dataflows.monitoring.counts import Counts
from dataflows.monitoring.observed import Observed
from dataflows.operators.canonical import key_values
from dataflows.reading.judge import Dead, Judged, Late
from dataflows.reading.promise import PromiseBroken, Violation
from dataflows.stages.items import Found, Outcome
from models.application.resolved.application import Application
from models.events.application import application_event
from models.events.cloudevents import Record, binary, structured
from models.events.deadletter import dead_letter, late_event
from models.events.flag import FlagBuilder

Line = tuple[str, Any]
Sink = JsonLines | KafkaSink
_STDOUT = Path("/dev/stdout")


class Sinks:
    """The outputs of one run; ``now`` gives the wall-clock time for ``recordedtime``; ``live``: what a run on Kafka is given.

    clock: seconds since 1970, for what is observed;
    folder: for flags that wait for standard output; kept: what a run saves is kept, and so must be what it wrote; strict: what
    else is counted is an error.
    """

    def __init__(
        self, application: Application, now: Callable[[], str], folder: Path | None = None, live: Live | None = None,
        clock: Callable[[], float] = lambda: 0.0, *, kept: bool = False, strict: bool = False,
    ) -> None:  # fmt: skip
        self.application = application
        self.now = now
        self.kept = kept
        self.strict = strict
        self.broken: PromiseBroken | None = None
        self.counts = Counts()
        self.observed = Observed(self.counts, clock)
        self.live = None if live is None else replace(live, failed=self.observed.failed, reached=self.observed.reached)
        self.builders = {pattern.name: FlagBuilder(application, pattern) for pattern in application.patterns.values()}
        self.outboxes: dict[str, Outbox] = {}
        outputs = application.outputs
        spool = None if folder is None else folder / "flags.jsonl"
        endless = live is not None and live.endless
        self.to_stdout = outputs.to is None and not endless
        self.flags = self._sink(outputs.to, _STDOUT if endless else spool)
        self.late = self._sink(outputs.late)
        self.dead_letters = self._sink(outputs.dead_letters)

    def _sink(self, output: str | tuple[str, str] | None, otherwise: Path | None = None) -> Sink:
        if isinstance(output, tuple) and self.live is not None:
            connection = connection_of(self.application.connections, output[0])
            return KafkaSink(self.outboxes.setdefault(connection.name, Outbox(connection, self.live)), output[1])
        path = Path(output) if isinstance(output, str) else otherwise
        return JsonLines(path, ordered=self.live is None or not self.live.endless, kept=self.kept)

    def begin(self) -> None:
        """Say on the flags' topic which application begins."""
        if isinstance(self.flags, KafkaSink):
            self.flags.outbox.send(self.flags.topic, binary(application_event(self.application, None, self.now())))

    def flags_of(self, outcome: Outcome) -> Iterator[Line]:
        """A shard's hits as flags; patterns that are only parts of others give none."""
        for name, count in outcome.suppressed.items():
            self.counts.suppressed[name] += count
            self.counts.hits[name] += count
        for name, count in outcome.guarded.items():
            self.counts.guarded[name] += count
            self.counts.hits[name] += count
        for source, count in outcome.late_labels.items():
            self.counts.late[f"{source} label"] += count
        for found in outcome.hits:
            self.counts.hits[found.pattern.name] += 1
            if found.pattern.mode != "part" and found.hit.late:
                self.counts.late[f"{found.pattern.name} {found.hit.late}"] += 1
            if found.pattern.mode != "part" and not found.hit.late:
                self.counts.flags[found.pattern.name] += 1
                self.observed.flagged(found.pattern.name, found.hit.moment)
                flag = self.flag(found)
                yield flag["partitionkey"], binary(flag) if isinstance(self.flags, KafkaSink) else orjson.dumps(flag)

    def late_flags_of(self, outcome: Outcome) -> Iterator[Line]:
        """Flags that were held back, as the flags they are."""
        for found in outcome.hits:
            if found.pattern.mode != "part" and found.hit.late:
                flag = self.flag(found)
                yield flag["partitionkey"], binary(flag) if isinstance(self.late, KafkaSink) else orjson.dumps(flag)

    def flag(self, found: Found) -> dict[str, Any]:
        """A hit as a flag."""
        builder = self.builders[found.pattern.name]
        key = key_values(found.key, [builder.types[name] for name in found.pattern.by.fields])
        return builder.build(found.hit, key, self.now())

    def late_of(self, source: str, judged: Judged) -> Iterator[Line]:
        """Late events of one read, which is counted here."""
        self.counts.judged(source, judged)
        for late in judged.late:
            yield _written(self.late, late_event(self.application.name, *late), late)

    def violated(self, violation: Violation) -> Iterator[Line]:
        """Count a key in two partitions.

        Raises:
            PromiseBroken: in a strict run.
        """
        if self.strict:
            self.broken = PromiseBroken(violation)
            raise self.broken
        self.counts.violations[violation.stream] += 1
        yield from ()

    def dead_of(self, judged: Judged) -> Iterator[Line]:
        """Dead letters of one read."""
        for dead in judged.dead:
            yield _written(self.dead_letters, dead_letter(self.application.name, *dead), dead)

    @property
    def failed(self) -> PromiseBroken | WriteFailed | None:
        """What ended the run here, where the runtime may have lost it."""
        files = [sink.failed for sink in (self.flags, self.late, self.dead_letters) if isinstance(sink, JsonLines)]
        return self.broken or next((failed for failed in files if failed is not None), None)

    def finish(self, *, ended: bool = True) -> None:
        """Put the files of a bounded run in order; flags without a file go to standard output once it has ``ended``."""
        for sink in (self.flags, self.late, self.dead_letters):
            sink.finish()
        path = self.flags.path if isinstance(self.flags, JsonLines) else None
        if self.to_stdout and (ended or not self.kept) and path is not None and path.exists():
            sys.stdout.write(path.read_text())


    def forget(self) -> None:
        """Drop what was kept for a run that goes on: it has ended."""
        for sink in (self.flags, self.late, self.dead_letters):
            sink.forget()


def _written(sink: Sink, event: Mapping[str, Any], record: Late | Dead) -> tuple[str, bytes | Record]:
    """An event about a record, under the record's own key or its partition."""
    place = f"{record.topic}/{record.partition}"
    if isinstance(sink, KafkaSink):
        return place, structured(event, record.key or place.encode())
    return place, orjson.dumps(event)
