"""Matches of an application over a file of events of all its streams, by reference: what ``tocsin match`` prints."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from dataflows.batches.batch import AFTER_ALL
from dataflows.decoding.decoded import IS_CHANGE, IS_DELETE, IS_SNAPSHOT, TIME, Decoded
from dataflows.decoding.json import JsonDecoder, raw_rows
from dataflows.engine import Engine, Result
from dataflows.lines import Line, line_of, numbered_lines, time_in
from dataflows.operators.canonical import key_values
from dataflows.planning.plan import plan
from dataflows.planning.steps import Plan
from dataflows.reading.changes import ChangeJudge
from dataflows.reading.judge import Judge, Judged
from dataflows.reading.readers import static_tables
from dataflows.stages.items import Found
from models.application.resolved.application import Application
from models.application.resolved.sources import FieldSpec, Stream, Table
from models.events.evidence import Evidence
from models.events.flag import FlagBuilder
from models.events.hit import Hit
from models.expressions.text import time_text
from models.values.column import Column, column_of
from models.values.types import BOOL, STRING, TIMESTAMP, UNITS, Type

LINES = 65_536
"""Lines that are decoded at once."""
ALL = 2**31
"""More events than any match has."""
_OP = "\0op"


@dataclass(slots=True)
class Matches:
    """What a file of events gave: matches in processing order, and a line of words for each event that is late or dead."""

    matches: list[dict[str, Any]] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)


class LineReader:
    """One stream's or table's events among the lines of a file, as one partition."""

    def __init__(self, source: Stream | Table, place: int, wanted: frozenset[str]) -> None:
        self.source = source.name
        self.partition = place
        self.number = 0
        self.done = False
        self.lines: list[Line] = []
        self.refs: list[Any] = []
        self.numbers: list[int] = []
        self.judge: Judge | ChangeJudge
        if isinstance(source, Stream):
            self.judge = Judge(replace(source, max_ahead=None), place, place, 1.0)
            self.decoder = JsonDecoder(_line_fields(source), wanted | self.judge.first, self.judge.first)
        else:
            self.judge = ChangeJudge(source, place, place, 1.0)
            self.decoder = JsonDecoder(_table_fields(source), wanted | {TIME, _OP}, frozenset())

    @property
    def bound(self) -> int:
        """The partition's bound in microseconds."""
        return AFTER_ALL if self.done else self.judge.bound

    def read(self) -> Judged:
        """Nothing more: the file has ended."""
        self.done = True
        return Judged(None, AFTER_ALL, done=True)

    def give(self, file: str) -> Judged:
        """Judge the lines that wait."""
        first = len(self.refs)
        self.refs.extend(line.ref for line in self.lines)
        self.numbers.extend(line.number for line in self.lines)
        rows = raw_rows([line.data for line in self.lines])
        rows = replace(rows, offset=np.arange(first, first + len(self.lines)))
        self.lines = []
        decoded = self.decoder.decode(rows)
        if isinstance(self.judge, ChangeJudge):
            decoded = _as_changes(decoded)
        return self.judge.judge(rows, decoded, file, first)

    def advance(self, time: int) -> Judged:
        """Move the watermark to a time (microseconds)."""
        source = self.judge.stream if isinstance(self.judge, Judge) else self.judge.table
        self.judge.newest = max(self.judge.newest, time + source.lateness)
        return Judged(None, self.judge.bound)


def matches_of(application: Application, events: Path) -> Matches:
    """All matches over a file of JSON lines ``{"on": stream, …fields}`` and ``{"advance_to": time}``.

    Raises:
        BadLine: for a line that is neither.
        FileProblem: when the file cannot be read.
    """
    compiled = plan(with_all_evidence(application))
    readers = line_readers(compiled)
    found = Matches()
    hits: list[Found] = []
    for result in turns_over(compiled, readers, events):
        hits.extend(result.hits)
        _tell(found.passed_over, events.name, {reader.source: reader.refs for reader in readers}, result)
    shown = _Shown(compiled, {reader.source: reader.refs for reader in readers})
    found.matches = [shown.match(hit) for hit in sorted(hits, key=_order) if hit.pattern.mode != "part"]
    return found


def with_all_evidence(application: Application) -> Application:
    """The application with patterns that keep all their evidence."""
    patterns = {name: replace(pattern, evidence_last=ALL) for name, pattern in application.patterns.items()}
    return replace(application, patterns=patterns)


def line_readers(compiled: Plan) -> list[LineReader]:
    """A reader for each stream and table of a plan, all fed from one file of lines."""
    sources = [_source(compiled.application, name) for name in compiled.sources]
    return [LineReader(source, place, compiled.wanted[source.name]) for place, source in enumerate(sources)]


def turns_over(compiled: Plan, readers: Sequence[LineReader], events: Path) -> Iterator[Result]:
    """What the engine gives over a file of lines, turn by turn.

    Raises:
        BadLine: for a line that is no event of a known stream and no move of the watermark.
        FileProblem: when the file cannot be read.
    """
    application = compiled.application
    engine = Engine(compiled, readers, static_tables(compiled))
    by_name = {reader.source: reader for reader in readers}
    known = [*application.streams, *application.tables]
    waiting = 0
    for number, data in numbered_lines(events):
        line = line_of(data, number, events.name, known, [*application.streams])
        if line.advance_to is not None:
            yield from _give(engine, readers, events.name)
            now = time_in(line.advance_to, _unit(application), events.name, number)
            for reader in readers:
                yield engine.turn(reader, reader.advance(now))
        elif line.on in by_name:
            by_name[line.on].lines.append(line)
            waiting += 1
            if waiting % LINES == 0:
                yield from _give(engine, readers, events.name)
    yield from _give(engine, readers, events.name)
    for reader in readers:
        yield engine.turn(reader, reader.read())


def _give(engine: Engine, readers: Sequence[LineReader], file: str) -> Iterator[Result]:
    for reader in readers:
        if reader.lines:
            yield engine.turn(reader, reader.give(file))


def _tell(words: list[str], file: str, refs: Mapping[str, Sequence[Any]], result: Result) -> None:
    for late in result.judged.late:
        behind = f"its time {time_text(late.time)} is behind the bound {time_text(late.bound)}"
        words.append(f"{file}: event {refs[late.stream][late.offset]} of {late.stream} is late: {behind}")
    for dead in result.judged.dead:
        words.append(f"{file}: event {refs[dead.stream][dead.offset]} of {dead.stream} is dead ({dead.reason}): {dead.detail}")


def _order(found: Found) -> tuple[Any, ...]:
    """The place of a hit in the order of processing: at one moment deadlines first, by pattern; then events, each by pattern."""
    return found.hit.order, found.pattern.place


def steps_by_reference(hit: Hit, reference: Callable[[Evidence], Any]) -> dict[str, list[Any]]:
    """The references of the events that each step took; none for a pattern without steps."""
    by_id = {event.id: event for event in hit.evidence}
    alike = len(hit.anchor) == len(hit.evidence)
    steps: dict[str, list[Any]] = {}
    for place, part in enumerate(hit.anchor):
        if not isinstance(part, str):
            steps.setdefault(part[0], []).append(reference(hit.evidence[place] if alike else by_id[part[1]]))
    return steps


class _Shown:
    """Hits as lines: events by their references, times in the stream's unit."""

    def __init__(self, compiled: Plan, refs: Mapping[str, Sequence[Any]]) -> None:
        self.application = compiled.application
        self.refs = refs
        self.builders = {name: FlagBuilder(self.application, pattern) for name, pattern in self.application.patterns.items()}

    def match(self, found: Found) -> dict[str, Any]:
        """One line."""
        builder = self.builders[found.pattern.name]
        key = key_values(found.key, [builder.types[name] for name in found.pattern.by.fields])
        flag = builder.build(found.hit, key, "")
        steps = steps_by_reference(found.hit, self._reference)
        stream = self.application.base(found.pattern.on)
        shown = {
            "pattern": found.pattern.name,
            "kind": found.hit.kind,
            "key": flag["partitionkey"],
            "time": _shown_time(found.hit.shown_time, stream.fields[stream.time].type.unit),
            "steps": steps,
        }
        return shown if steps else {**shown, "events": [self._reference(each) for each in found.hit.evidence]}

    def _reference(self, event: Evidence) -> Any:
        """The reference of an event: of a flag that of its completing event, of a rollup's row its id."""
        below = self.application.below_flags(event.on)
        return event.id if below.rollup or event.offset < 0 else self.refs[below.name][event.offset]


def _shown_time(time: int, unit: str) -> int | str:
    """A time as a number in the stream's unit where it is a whole one, else as RFC 3339."""
    if unit == "ns":
        return time * 1000
    return time_text(time) if not unit or time % UNITS[unit] else time // UNITS[unit]


def _source(application: Application, name: str) -> Stream | Table:
    return application.streams[name] if name in application.streams else application.tables[name]


def _unit(application: Application) -> str:
    """The unit of numbers in ``advance_to``: that of all streams, empty where they differ."""
    units = {stream.fields[stream.time].type.unit for stream in application.streams.values()}
    return units.pop() if len(units) == 1 else ""


def _line_fields(stream: Stream) -> dict[str, FieldSpec]:
    """A stream's fields as a line holds them: a time that the format would give stands in ``time``."""
    plain = {"__op": "op", "__before": "before"}
    fields = {n: replace(s, path=(plain.get(s.path[0], s.path[0]), *s.path[1:])) for n, s in stream.fields.items()}
    if stream.format == "cloudevents":
        fields = {n: _of_event(s) for n, s in fields.items()}
    if stream.time.startswith("__"):
        fields[stream.time] = replace(fields[stream.time], path=("time",))
    return fields


def _of_event(spec: FieldSpec) -> FieldSpec:
    """A field of a CloudEvent in a line that holds its data: attributes stand under ``ce.NAME``, and may lack."""
    if spec.path[0] == "data":
        return replace(spec, path=spec.path[1:])
    path = "time" if spec.name == "ce.time" else f"ce.{spec.path[0]}"
    return replace(spec, path=(path,), type=replace(spec.type, optional=spec.type.optional or spec.name != "ce.time"))


def _table_fields(table: Table) -> dict[str, FieldSpec]:
    """A table's fields, all of them optional since a deletion needs the key alone; ``time`` and ``op`` beside them."""
    fields = {name: replace(spec, type=replace(spec.type, optional=name not in table.key)) for name, spec in table.fields.items()}
    unit = table.fields[table.time].type.unit if table.time else ""
    path = table.fields[table.time].path if table.time else ("time",)
    fields[TIME] = FieldSpec(TIME, Type(TIMESTAMP.kind, unit=unit, optional=True), path)
    fields[_OP] = FieldSpec(_OP, replace(STRING, optional=True), ("op",))
    return fields


def _as_changes(decoded: Decoded) -> Decoded:
    """Rows of a table as changes: without a time they hold since ever, ``op: d`` deletes."""
    columns: dict[str, Column] = dict(decoded.columns)
    ops = columns.pop(_OP).to_list()
    timed = columns[TIME].is_valid().tolist()
    columns[IS_SNAPSHOT] = column_of(BOOL, [op == "r" or not timed[row] for row, op in enumerate(ops)])
    columns[IS_DELETE] = column_of(BOOL, [op == "d" for op in ops])
    columns[IS_CHANGE] = column_of(BOOL, [True] * decoded.n)
    return replace(decoded, columns=columns)
