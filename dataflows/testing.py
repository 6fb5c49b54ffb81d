"""Inline tests: given lines through the engine, found flags paired with expected ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dataflows.batches.batch import AFTER_ALL
from dataflows.batches.held import plain_rows
from dataflows.decoding.decoded import IS_CHANGE, IS_DELETE, IS_SNAPSHOT, TIME, Decoded, RawRows
from dataflows.engine import Engine
from dataflows.matching import ALL, steps_by_reference
from dataflows.operators.canonical import key_values
from dataflows.pairing import Refs, differences
from dataflows.planning.plan import plan
from dataflows.planning.steps import Plan
from dataflows.reading.changes import ChangeJudge
from dataflows.reading.judge import Judge, Judged
from dataflows.reading.prelude import StaticTable
from dataflows.reading.readers import static_tables
from models.application.resolved.application import Application
from models.application.resolved.patterns import Mode, Pattern
from models.application.resolved.sources import FieldSpec, Stream
from models.application.sources import changed_field
from models.application.tests import Given, Test
from models.events.flag import FlagBuilder
from models.expressions.expression import Expression
from models.expressions.tree import Node
from models.values.column import column_of
from models.values.types import BOOL, FLOAT, TIMESTAMP


@dataclass(frozen=True, slots=True)
class TestResult:
    """How a test went; ``problems`` says in words what differs."""

    __test__ = False
    test: Test
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether everything was as expected."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class GivenChunk:
    """Given lines as decoded rows."""

    lines: Sequence[Given]
    declared: Mapping[str, FieldSpec]

    def fields(self, row: int) -> dict[str, Any]:
        """All declared fields; one not given is null."""
        return {name: given_value(self.lines[row], spec) for name, spec in self.declared.items()}

    def raw(self, row: int) -> bytes:
        """The line's reference."""
        return self.lines[row].ref.encode()

    def attributes(self, row: int) -> dict[str, str]:
        """The reference stands for the event's id."""
        return {"id": self.lines[row].ref}

    def take(self, rows: Any) -> GivenChunk:
        """Only these lines."""
        return GivenChunk([self.lines[int(row)] for row in rows], self.declared)

    def snapshot(self) -> dict[str, Any]:
        """The lines as plain values."""
        return plain_rows(self, len(self.lines))


def given_value(line: Given, spec: FieldSpec) -> Any:
    """A field of a given line; of a change also what its op, its image before and both images together say."""
    match spec.path[0]:
        case "__score":
            return line.scores.get(spec.path[1])
        case "__op":
            return line.op
        case "__time":
            return line.time
        case "__before":
            return None if line.before is None else line.before.get(spec.name.removeprefix("before."))
        case "__changed":
            name = spec.path[1]
            known = line.before is not None and name in line.before and line.op != "d"
            return line.before[name] != line.values.get(name) if known and line.before else None
    return line.values.get(spec.name, line.time if spec.name == "ce.time" else None)


class GivenReader:
    """The partition of one stream or table in a test."""

    def __init__(self, source: str, partition: int, judge: Judge | ChangeJudge, wanted: frozenset[str]) -> None:
        self.source = source
        self.partition = partition
        self.number = 0
        self.judge = judge
        self.wanted = wanted
        self.done = False
        self.count = 0

    @property
    def bound(self) -> int:
        """The partition's bound."""
        return AFTER_ALL if self.done else self.judge.bound

    def read(self) -> Judged:
        """Nothing more: lines are given."""
        self.done = True
        return Judged(None, AFTER_ALL, done=True)

    def give(self, lines: Sequence[Given]) -> Judged:
        """Judge given lines."""
        source = self.judge.stream if isinstance(self.judge, Judge) else self.judge.table
        chunk = GivenChunk(lines, source.fields)
        specs = [source.fields[name] for name in self.wanted]
        columns = {spec.name: column_of(spec.type, [given_value(line, spec) for line in lines]) for spec in specs}
        if source.format == "debezium":
            columns[TIME] = column_of(TIMESTAMP, [line.time for line in lines])
            columns[IS_SNAPSHOT] = column_of(BOOL, [line.op == "r" for line in lines])
            columns[IS_DELETE] = column_of(BOOL, [line.op == "d" for line in lines])
            columns[IS_CHANGE] = column_of(BOOL, [True for _ in lines])
        n, empty = len(lines), np.zeros(0, np.int64)
        rows = RawRows(np.zeros(0, np.uint8), empty, empty, np.arange(self.count, self.count + n))
        judged = self.judge.judge(rows, Decoded(n, columns, chunk), "given", self.count)
        self.count += n
        return judged

    def advance(self, time: int) -> Judged:
        """Move the watermark."""
        source = self.judge.stream if isinstance(self.judge, Judge) else self.judge.table
        self.judge.newest = max(self.judge.newest, time + source.lateness)
        return Judged(None, self.judge.bound)

    def restart(self, judge: Judge | ChangeJudge) -> None:
        """Go on with a new judge that knows what was saved of the old one."""
        judge.restore(self.judge.snapshot())
        self.judge = judge


def run_tests(application: Application) -> Iterator[TestResult]:
    """All inline tests of an application, one after another."""
    static = None
    plans: dict[tuple[frozenset[str], frozenset[str]], Plan] = {}
    for test in application.tests:
        names = {expect.pattern for expect in test.expect} | ({test.pattern} if test.pattern else set())
        chosen = frozenset(names or application.patterns)
        kind = (chosen, frozenset(name for line in test.given for name in line.scores))
        if kind not in plans:
            plans[kind] = plan(_standing_in(_only(application, chosen), kind[1]))
        if static is None:
            static = static_tables(plans[kind])
        yield _run(plans[kind], test, chosen, static)


def _standing_in(application: Application, names: frozenset[str]) -> Application:
    """The application with these scores given by the lines of a test; NULL where a line gives none."""
    if not names:
        return application
    given = {name: FieldSpec(f"\0score {name}", replace(FLOAT, optional=True), ("__score", name)) for name in sorted(names)}
    fields = {spec.name: spec for spec in given.values()}
    streams = {name: replace(stream, fields={**stream.fields, **fields}) for name, stream in application.streams.items()}
    values = {name: Expression(name, Node("column", spec.type, name, value=spec.name)) for name, spec in given.items()}
    scores = {
        name: replace(score, kind="points", value=values[name], where=None) if name in names else score
        for name, score in application.scores.items()
    }
    return replace(application, streams=streams, scores=scores)


def _only(application: Application, names: frozenset[str]) -> Application:
    """The application with these patterns alone: of the others those whose flags they may need are parts, the rest is off."""
    bases = {fact.of for fact in application.features.values()} | {fact.of for fact in application.scores.values()}
    bases |= {rollup.of for rollup in application.rollups.values()}
    needed = {*names, *(name for name in bases if name is not None and name in application.patterns)}
    waiting = list(needed)
    while waiting:
        below = application.patterns[waiting.pop()].streams & application.patterns.keys() - needed
        needed |= below
        waiting += below

    def mode(pattern: Pattern) -> Pattern:
        wanted: Mode = "live" if pattern.name in names else "part" if pattern.name in needed else "off"
        return replace(pattern, evidence_last=ALL, mode=wanted)

    patterns = {name: mode(pattern) for name, pattern in application.patterns.items()}
    return replace(application, patterns=patterns, streams={name: _told(stream) for name, stream in application.streams.items()})


def _told(stream: Stream) -> Stream:
    """A stream of changes whose lines say with ``before`` what changed, as no record of theirs feeds a table too."""
    if stream.compared is None:
        return stream
    told = {spec.name: spec for spec in map(changed_field, stream.compared.compares)}
    return replace(stream, fields={**stream.fields, **told}, compared=None)


def _run(compiled: Plan, test: Test, names: frozenset[str], static: Mapping[str, StaticTable]) -> TestResult:
    application = compiled.application
    readers = [_reader(compiled, name, place) for place, name in enumerate(compiled.sources)]
    by_name = {reader.source: reader for reader in readers}
    engine = Engine(compiled, readers, static)
    found: list[dict[str, Any]] = []
    late: list[str] = []
    builders = {name: FlagBuilder(application, application.patterns[name]) for name in names}
    refs = Refs(test, application)
    now = test.start
    for judged_reader, judged in _turns(test, readers, by_name, now):
        if judged is None:
            engine = _restarted(engine, readers)
            continue
        result = engine.turn(judged_reader, judged)
        late.extend((row.value or b"").decode() for row in judged.late)
        for hit in result.hits:
            if hit.pattern.name in names and not hit.hit.late:
                builder = builders[hit.pattern.name]
                key = key_values(hit.key, [builder.types[field] for field in hit.pattern.by.fields])
                found.append(
                    {
                        **builder.build(hit.hit, key, ""),
                        "_time": hit.hit.shown_time,
                        "_kind": hit.hit.kind,
                        "_steps": steps_by_reference(hit.hit, lambda each: refs.one(each.on, each.id, each.offset)),
                        "_pattern": hit.pattern.name,
                    }
                )
    problems = [*differences(test, found, refs)]
    dead = [line.ref for line in test.given if line.dead]
    for name, wanted, was in (("late", test.expect_late, late), ("dead", test.expect_dead, dead)):
        if wanted is not None and sorted(wanted) != sorted(was):
            problems.append(f"expected {name} {sorted(wanted)}; found {sorted(was)}")
    return TestResult(test, tuple(problems))


def _reader(compiled: Plan, name: str, place: int) -> GivenReader:
    application = compiled.application
    judge: Judge | ChangeJudge
    if name in application.streams:
        judge = Judge(replace(application.streams[name], max_ahead=None), place, place)
    else:
        judge = ChangeJudge(application.tables[name], place, place)
    return GivenReader(name, place, judge, compiled.wanted[name])


def _restarted(engine: Engine, readers: Sequence[GivenReader]) -> Engine:
    """A new engine that knows nothing but what was saved of this one, and readers likewise."""
    saved = engine.snapshot()
    for place, reader in enumerate(readers):
        reader.restart(_reader(engine.plan, reader.source, place).judge)
    fresh = Engine(engine.plan, readers, engine.static)
    fresh.restore(saved)
    return fresh


def _turns(
    test: Test, readers: Sequence[GivenReader], by_name: Mapping[str, GivenReader], now: int
) -> Iterator[tuple[GivenReader, Judged | None]]:
    """Reads in the order of arrival (None: a restart); lines between two moves of the watermark go together, stream by stream."""
    waiting: dict[str, list[Given]] = {}
    for line in test.given:
        if line.source:
            if line.source in by_name and not line.dead:
                waiting.setdefault(line.source, []).append(line)
                now = max(now, line.time)
            continue
        yield from _give(waiting, by_name)
        if line.restart:
            yield readers[0], None
        if line.advance_to is not None or line.advance is not None:
            now = line.advance_to if line.advance_to is not None else now + (line.advance or 0)
            for reader in readers:
                yield reader, reader.advance(now)
    yield from _give(waiting, by_name)
    for reader in readers if not test.end_open else ():
        yield reader, reader.read()


def _give(waiting: dict[str, list[Given]], by_name: Mapping[str, GivenReader]) -> Iterator[tuple[GivenReader, Judged]]:
    for name, lines in waiting.items():
        yield by_name[name], by_name[name].give(lines)
    waiting.clear()
