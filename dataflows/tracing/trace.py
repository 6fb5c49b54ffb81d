"""A run of one pattern for one key, with a record of every attempt: over files to their end, over topics to what there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.batches.batch import AFTER_ALL, BEFORE_ALL, Bound
from dataflows.engine import Engine, Result
from dataflows.operators.absence import AbsenceMachine
from dataflows.operators.canonical import hashes, key_text
from dataflows.operators.machine import PatternMachine
from dataflows.operators.sequences.machine import SequenceMachine
from dataflows.planning.plan import plan
from dataflows.planning.steps import Plan
from dataflows.reading.judge import Judge, Judged, Late
from dataflows.reading.prelude import StaticTable
from dataflows.reading.reader import Reader
from dataflows.stages.shard import Shard
from dataflows.tracing.absences import TracedAbsence
from dataflows.tracing.attempts import Attempt, Ending, Identity
from dataflows.tracing.conditions import TracedCondition
from dataflows.tracing.keyed import KeyedJudge, roles_of
from dataflows.tracing.sequences import TracedSequence
from dataflows.tracing.suppressions import TracedSuppressor, identity
from dataflows.tracing.watched import Watched, key_bytes, key_of
from models.application.resolved.application import Application
from models.application.resolved.patterns import Mode, Pattern
from models.events.columns import column_types
from models.events.flag import FlagBuilder
from models.expressions.text import time_text
from models.values.strings import Strings
from models.values.types import Type

Read = Callable[[Plan], tuple[list[Reader], Iterator[tuple[Reader, Judged]]]]
"""The readers of a plan's partitions, and what they read, in order."""
Traced = TracedSequence | TracedCondition | TracedAbsence


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds back what is not decided yet: a partition (or stage) and its bound in microseconds."""

    name: str
    bound: int


@dataclass(slots=True)
class Story:
    """What is told of a pattern and a key.

    below: the patterns that it stands on, with how many flags each raised for the key; late: the key's late events with their
    fields; waiting: rows of the key that are read and not decided, for the holder has not come so far.
    """

    pattern: Pattern
    key: str
    attempts: list[Attempt] = field(default_factory=list)
    late: list[tuple[Late, Mapping[str, Any]]] = field(default_factory=list)
    below: dict[str, int] = field(default_factory=dict)
    events: int = 0
    bound: int = BEFORE_ALL
    holder: Holder | None = None
    waiting: int = 0


class _Nothing:
    """No slot is ever looked at for eviction: the key keeps its own."""

    def slots(self, used: int, rows: int, new: int) -> NDArray[np.int64]:
        return np.arange(0)


def trace(
    application: Application, name: str, key: str, read: Read,
    static_of: Callable[[Plan], Mapping[str, StaticTable]],
) -> Story:  # fmt: skip
    """Run one pattern over its inputs for one key (as flags write it).

    Raises:
        NoKey: when the key is none of the pattern's.
    """
    pattern = application.patterns[name]
    compiled = plan(alone(application, name))
    pattern = compiled.application.patterns[name]
    types = key_types(compiled.application, pattern)
    return _Trace(compiled, pattern, key_of(key, types) if types else (), types, static_of(compiled)).run(read)


def alone(application: Application, name: str) -> Application:
    """The application with one pattern: those that it stands on are parts, all others are off."""
    needed, waiting = {name}, [name]
    bases = {fact.of for fact in application.features.values()} | {fact.of for fact in application.scores.values()}
    bases |= {rollup.of for rollup in application.rollups.values()}
    waiting += [base for base in bases if base is not None and base in application.patterns]
    needed |= set(waiting)
    while waiting:
        below = application.patterns[waiting.pop()].streams & application.patterns.keys() - needed
        needed |= below
        waiting += below

    def mode(pattern: Pattern) -> Mode:
        return "live" if pattern.name == name else "part" if pattern.name in needed else "off"

    patterns = {each.name: replace(each, mode=mode(each)) for each in application.patterns.values()}
    return replace(application, patterns=patterns)


def key_types(application: Application, pattern: Pattern) -> list[Type]:
    """The types of a pattern's key."""
    types = column_types(application, application.stream(pattern.on))
    return [types[name] for name in pattern.by.fields]


class _Trace:
    def __init__(
        self, compiled: Plan, pattern: Pattern, key: Sequence[Any], types: Sequence[Type], static: Mapping[str, StaticTable]
    ) -> None:
        self.plan = compiled
        self.pattern = pattern
        self.key = tuple(key)
        self.bytes = key_bytes(key, types) if types else b""
        self.types = types
        self.static = static
        used = [each for each in compiled.application.patterns.values() if each.mode != "off"]
        self.whole = compiled.application.storm is not None or any(each.suppress.per for each in used)
        self.told: dict[Identity, Ending] = {}
        self.flags: dict[Identity, tuple[str, int]] = {}
        self.story = Story(pattern, key_text(self.key, types))
        self.judges: list[KeyedJudge] = []

    def run(self, read: Read) -> Story:
        readers, turns = read(self.plan)
        roles = roles_of(self.plan, self.pattern, alone=not self.whole)
        for reader in readers:
            judge = getattr(reader, "judge", None)
            if isinstance(judge, Judge):
                keyed = KeyedJudge(judge, roles[reader.source], self.key, self.plan.prelude.get(reader.source, ()), self.static)
                reader.judge = keyed  # type: ignore[attr-defined]
                self.judges.append(keyed)
        engine = Engine(self.plan, readers, self.static, sweep=_Nothing)
        traced = self._traced(engine)
        builder = FlagBuilder(self.plan.application, self.pattern)
        for reader, judged in turns:
            self._take(engine.turn(reader, judged), builder)
        self._finish(engine, readers, traced)
        return self.story

    def _traced(self, engine: Engine) -> Traced:
        """Put a machine that keeps records in the place of the pattern's."""
        name, found = self.pattern.name, None
        for [shard] in engine.stages:
            if name in shard.machines:
                found = shard.machines[name] = self._machine(shard)
            if name in shard.suppressions:
                machine = shard.suppressions[name]
                machine.suppressor = TracedSuppressor(machine.suppressor, self.told.__setitem__)
        assert found is not None
        return found

    def _machine(self, shard: Shard) -> Traced:
        keys = Strings(np.frombuffer(self.bytes, np.uint8), np.zeros(1, np.int64), np.array([len(self.bytes)]))
        hash_ = hashes(keys)
        watched = Watched(
            lambda: int(shard.keys.find(keys, hash_)[0]), self.whole, self.plan.depth(self.pattern.on)
        )
        inner = shard.machines[self.pattern.name]
        if isinstance(inner, SequenceMachine):
            return TracedSequence(inner, watched)
        if isinstance(inner, AbsenceMachine):
            return TracedAbsence(inner, watched)
        assert isinstance(inner, PatternMachine)
        return TracedCondition(inner, watched)

    def _take(self, result: Result, builder: FlagBuilder) -> None:
        for found in result.hits:
            if found.pattern.name != self.pattern.name or found.key != self.bytes or found.hit.kind == "storm":
                continue
            who = identity(found.hit)
            if found.hit.late:
                self.told[who] = Ending("storm", found.hit.moment, "held back by the storm limit: it went to the late output")
            else:
                flag = builder.build(found.hit, list(self.key), "")
                self.flags[who] = flag["id"], found.hit.shown_time

    def _finish(self, engine: Engine, readers: Sequence[Reader], traced: Traced) -> None:
        story = self.story
        traced.endings.update(self.told)
        story.attempts = traced.attempts()
        for attempt in story.attempts:
            if attempt.hit in self.flags:
                attempt.flag, time = self.flags[attempt.hit]
                attempt.ending = Ending("flag", time, f"flag {attempt.flag} at {time_text(time)}")
            elif attempt.ending is None:
                attempt.ending = Ending("open", None, "decided, and not out yet")
        story.late = [each for judge in self.judges for each in judge.late_ones]
        story.events = sum(judge.mine for judge in self.judges)
        shard = next(shard for [shard] in engine.stages if self.pattern.name in shard.machines)
        story.bound = shard.reorder.watermark.time
        story.waiting = shard.reorder.held
        if story.bound != AFTER_ALL:
            story.holder = _holder(shard.reorder.bounds, readers)


def _holder(bounds: Mapping[int, Bound], readers: Sequence[Reader]) -> Holder | None:
    """Who is furthest behind: a partition, or an earlier stage."""
    if not bounds:
        return None
    sender = min(bounds, key=lambda each: bounds[each])
    by_place = {reader.partition: f"{reader.source} partition {reader.number}" for reader in readers}
    return Holder(by_place.get(sender, "an earlier stage"), bounds[sender].time)
