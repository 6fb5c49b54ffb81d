"""One stage on one shard: rows in the total order through the stage's steps. Pure: items in, outcomes out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from dataflows.asof import Asked, DeadlineValues, deadline_reads
from dataflows.batch import AFTER_ALL, BEFORE_ALL, Batch, Bound
from dataflows.eviction import ClockHand, Sweep
from dataflows.evidence import CORRELATION, FLAG_ID, EvidenceMaker
from dataflows.flags import Flags
from dataflows.needs import pattern_needs
from dataflows.operators.absence import AbsenceMachine, AbsenceRows, absence_rows
from dataflows.operators.keys import KeyTable
from dataflows.operators.machine import Given, PatternMachine
from dataflows.operators.per import PerMachine
from dataflows.operators.reorder import Chunk, Part, Reorder, merged
from dataflows.operators.rollup import RollupMachine, Rows
from dataflows.operators.sequences.machine import SequenceMachine
from dataflows.operators.sequences.rows import LaneRows, Truths, ordered
from dataflows.operators.settling import Settling
from dataflows.operators.storm import StormMachine
from dataflows.operators.suppress import numeric_types
from dataflows.operators.versions import Versions
from dataflows.operators.windows import Windows
from dataflows.operators.zscore import ZScores
from dataflows.rollingup import RollupRows
from dataflows.sequencing import sequence_machine
from dataflows.steps import (
    Derive,
    Lookup,
    Plan,
    Scoring,
    Stage,
    Storming,
    Suppression,
    Wave,
    flags_before_storm,
    hits_of,
    raises,
)
from models.application.resolved import Feature, Pattern, Rollup, Score, Stream, Table
from models.events.hit import Hit
from models.values.column import Column, nulls

KEY = "\0key"
"""The column that holds a row's canonical key within a stage's lane (string), null where it has none."""
HASH = "\0hash"
"""The column with the key's hash (the bits of a uint64 in an int64)."""
VERSION = "\0version"
"""The column with a table change's version time (timestamp)."""
DIGEST = "\0digest"
"""The column that tells a table's rows apart by all their declared fields (int)."""
CHANGE = "\0change"
"""The column with a table change's kind, as ``dataflows.operators.versions.coded`` (int)."""


Machine = PatternMachine | SequenceMachine | AbsenceMachine
NOTHING = Chunk(np.zeros(0, np.int64), ())
"""No rows: a pass for deadlines alone."""


class Item(NamedTuple):
    """What travels to a shard: rows of a lane (or none) and what their sender knows of the order."""

    sender: int
    lane: int
    batch: Batch | None
    bound: Bound


class Found(NamedTuple):
    """A hit and all that a flag shows of it."""

    pattern: Pattern
    hit: Hit
    key: bytes


@dataclass(slots=True)
class Outcome:
    """What a shard gives: hits, rows for later stages by stream, and how far it has come."""

    bound: Bound
    hits: list[Found] = field(default_factory=list)
    rows: list[tuple[str, Batch]] = field(default_factory=list)
    suppressed: dict[str, int] = field(default_factory=dict)
    guarded: dict[str, int] = field(default_factory=dict)


class Keyed(Protocol):
    """State by slot, of an operator of a stage."""

    def snapshot(self) -> dict[str, Any]:
        """All state as arrays and plain values."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""

    def evictable(self, slots: NDArray[np.int64], bound: int) -> NDArray[np.bool_]:
        """Whether nothing kept under each slot can influence any result from time ``bound`` on; bool[m]."""

    def evict(self, slots: NDArray[np.int64]) -> None:
        """Make slots as if they had never been used."""


class Shard:
    """All state of one stage for the keys of one shard.

    senders: who sends to it; evidence shows rows of hits; sweep: which slots are looked at for eviction after a batch; changed:
    whether more than bounds came in since somebody set it to False; settling: of a run that begins in the middle (``Settling``).
    """

    def __init__(
        self, plan: Plan, stage: Stage, senders: Iterable[int], evidence: EvidenceMaker, sweep: Sweep | None = None,
        settling: Mapping[str, tuple[int, int]] | None = None,
    ) -> None:  # fmt: skip
        self.sweep = sweep or ClockHand()
        self.plan = plan
        self.stage = stage
        self.evidence = evidence
        self.reorder = Reorder(senders)
        self.keys = KeyTable()
        self.told: dict[str, int] = {}
        self.changed = True
        application = plan.application
        self.windows = {id(step): Windows(step.features) for step in stage.steps if isinstance(step, Wave)}
        self.scores = {id(step): ZScores(step.scores) for step in stage.steps if isinstance(step, Scoring)}
        rollups = [step for step in stage.steps if isinstance(step, Rollup)]
        self.rollups = {rollup.name: RollupMachine(rollup, plan.depth(rollup.of)) for rollup in rollups}
        self.rollup_rows = {rollup.name: RollupRows(plan, rollup, self.keys) for rollup in rollups}
        self.machines = {step.name: self._machine(step) for step in stage.steps if isinstance(step, Pattern)}
        names = [step.name for step in stage.steps if isinstance(step, Pattern)] if settling is not None else []
        self.settling = {name: Settling(*settling[name]) for name in names} if settling is not None else {}
        self.suppressions = {
            step.pattern.name: self._suppression(step.pattern) for step in stage.steps if isinstance(step, Suppression)
        }  # fmt: skip
        self.storms = {
            step.pattern.name: StormMachine(step.pattern, application.storm)
            for step in stage.steps if isinstance(step, Storming) and application.storm is not None
        }  # fmt: skip
        self.flags = {
            step.name if isinstance(step, Pattern) else step.pattern.name: self._flags(step)
            for step in stage.steps if isinstance(step, Pattern | Suppression)
        }  # fmt: skip
        self.reads_at_deadlines = {id(step): deadline_reads(stage, step) for step in stage.steps if isinstance(step, Wave)}
        self.tables = {
            lane.source: Versions({
                name: spec.type for name, spec in application.tables[lane.source].fields.items()
                if name in plan.columns[stage.index, index]
            }, {name: place for place, name in enumerate(application.tables[lane.source].fields)})
            for index, lane in enumerate(stage.lanes) if lane.table
        }  # fmt: skip

    def _machine(self, pattern: Pattern) -> Machine:
        if pattern.sequence is not None:
            return sequence_machine(self.plan, pattern, self.evidence, self._source)
        plan, stream = self.plan, self.plan.application.stream(pattern.on)
        rows = raises(pattern, plan.application.storm is not None)
        names = {*pattern_needs(plan.application, pattern), *(column for name in rows for column in plan.passed.get(name, ()))}
        if stream.pattern is not None:
            names |= {FLAG_ID, CORRELATION}
        kind = PatternMachine if pattern.absence is None else AbsenceMachine
        return kind(pattern, numeric_types(stream), plan.depth(pattern.on), names, self.evidence.reader(pattern), self._source)

    def _suppression(self, pattern: Pattern) -> PerMachine:
        plan, types = self.plan, numeric_types(self.plan.application.stream(pattern.on))
        rows = raises(Suppression(pattern), plan.application.storm is not None)
        names = {column for name in rows for column in plan.passed.get(name, ())}
        return PerMachine(pattern, types, plan.depth(hits_of(pattern.name)), names, self._source)

    def _flags(self, step: Pattern | Suppression) -> list[Flags]:
        """What makes rows of a pattern's flags, or of its hits where a later stage suppresses them."""
        pattern = step if isinstance(step, Pattern) else step.pattern
        names = [name for name in raises(step, self.plan.application.storm is not None) if name in self.plan.passed]
        return [Flags(self.plan, pattern, name, self.keys) for name in names]

    def take(self, items: Sequence[Item]) -> Outcome:
        """Take rows and bounds; give all that has become certain."""
        for item in items:
            self.reorder.add(*item)
            self.changed |= item.batch is not None
        bound = self.reorder.watermark
        chunk = self.reorder.release()
        outcome = Outcome(bound)
        machines = [*self._all_machines(), *self.rollups.values()]
        if chunk is None and any(machine.ripe(bound.time) for machine in machines):
            chunk = NOTHING
        if chunk is not None:
            before = len(self.keys)
            _Pass(self, chunk, outcome).run()
            self._evict(bound.time, len(chunk), len(self.keys) - before)
        self._suppressed(outcome)
        self.changed |= chunk is not None or bool(outcome.hits)
        return outcome

    def operators(self) -> dict[str, Keyed]:
        """All state by slot, by names that are the same in every run of the plan."""
        found: dict[str, Keyed] = {f"table {name}": versions for name, versions in self.tables.items()}
        for place, step in enumerate(self.stage.steps):
            if isinstance(step, Wave):
                found[f"features {place}"] = self.windows[id(step)]
            elif isinstance(step, Scoring):
                found[f"scores {place}"] = self.scores[id(step)]
        found.update({f"rollup {name}": machine for name, machine in self.rollups.items()})
        found.update({f"pattern {name}": machine for name, machine in self.machines.items()})
        found.update({f"settling {name}": settling for name, settling in self.settling.items()})
        found.update({f"suppression {name}": machine for name, machine in self.suppressions.items()})
        found.update({f"storm {name}": machine for name, machine in self.storms.items()})
        return found

    def snapshot(self) -> dict[str, Any]:
        """All state as arrays and plain values."""
        operators = {name: operator.snapshot() for name, operator in self.operators().items()}
        return {"keys": self.keys.snapshot(), "reorder": self.reorder.snapshot(), "told": dict(self.told), "operators": operators}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        self.keys.restore(state["keys"])
        self.reorder.restore(state["reorder"], self._source)
        self.told = dict(state["told"])
        for name, operator in self.operators().items():
            operator.restore(state["operators"][name])

    def _source(self, index: int) -> Stream | Table:
        application, name = self.plan.application, self.plan.sources[index]
        return application.streams[name] if name in application.streams else application.tables[name]

    def _evict(self, bound: int, rows: int, new: int) -> None:
        """Free slots under which nothing counts any more; no result changes by it."""
        if bound in (BEFORE_ALL, AFTER_ALL):
            return
        slots = self.sweep.slots(self.keys.used, rows, new)
        slots = slots[self.keys.taken(slots)]
        operators = self.operators().values()
        for operator in operators:
            slots = slots[operator.evictable(slots, bound)]
        if not len(slots):
            return
        for operator in operators:
            operator.evict(slots)
        self.keys.remove(slots)

    def _all_machines(self) -> list[Machine | PerMachine | StormMachine]:
        return [*self.machines.values(), *self.suppressions.values(), *self.storms.values()]

    def _suppressed(self, outcome: Outcome) -> None:
        for machine in self._all_machines():
            name = machine.pattern.name
            news = self._news(f"{type(machine).__name__} {name}", machine.suppressed)
            outcome.suppressed[name] = outcome.suppressed.get(name, 0) + news
        for name, raising in self.machines.items():
            outcome.guarded[name] = self._news(f"guarded {name}", raising.guarded)

    def _news(self, what: str, count: int) -> int:
        """How much a count has grown since it was last told."""
        before, self.told[what] = self.told.get(what, 0), count
        return count - before


class _Pass:
    """One chunk on its way through the steps."""

    def __init__(self, shard: Shard, chunk: Chunk, outcome: Outcome) -> None:
        self.shard = shard
        self.stage = shard.stage
        self.chunk = chunk
        self.outcome = outcome
        self.n = len(chunk)
        self.parts = {part.lane: part for part in chunk.parts}
        self.columns = {part.lane: dict(part.batch.columns) for part in chunk.parts}
        self.slots = {part.lane: self._slots_of(part) for part in chunk.parts}
        self.primary = {lane.source: index for index, lane in enumerate(self.stage.lanes) if lane.primary and index in self.parts}
        self.slot = self._spread_slots()
        self.time = chunk.time
        self.raised: dict[int, Batch] = {}
        self.asof: dict[str, list[DeadlineValues]] = {}
        self.truths = Truths()

    def run(self) -> None:
        """Take the steps, then pass rows on."""
        for table, versions in self.shard.tables.items() if self.n else ():
            self._changes(table, versions)
        for step in self.stage.steps:
            match step:
                case Derive():
                    self._derive(step)
                case Lookup():
                    pass
                case Wave():
                    self._wave(step)
                case Scoring():
                    self._scoring(step)
                case Rollup():
                    self._rollup(step)
                case Pattern():
                    self._pattern(step)
                case Suppression():
                    self._suppression(step.pattern)
                case Storming():
                    self._storming(step.pattern)
        for stream, lane in self.primary.items():
            self._pass_on(stream, lane)

    def _slots_of(self, part: Part) -> NDArray[np.int64]:
        key, hashes = part.batch.columns[KEY], part.batch.columns[HASH].values.view(np.uint64)
        if key.valid is None:
            return self.shard.keys.slots(key.values, hashes)
        slots = np.full(len(key), -1, np.int64)
        here = np.flatnonzero(key.valid)
        slots[here] = self.shard.keys.slots(key.values.take(here), hashes[here])
        return slots

    def _spread_slots(self) -> NDArray[np.int64]:
        if len(self.parts) == 1:
            return next(iter(self.slots.values()))
        slots = np.empty(self.n, np.int64)
        for lane, part in self.parts.items():
            slots[part.at] = self.slots[lane]
        return slots

    def _changes(self, table: str, versions: Versions) -> None:
        """Apply a table's changes, and let every join read it as of its rows."""
        lookups = [s for s in self.stage.steps if isinstance(s, Lookup) and s.join.table == table and s.stream in self.primary]
        lane = next(index for index, lane in enumerate(self.stage.lanes) if lane.table and lane.source == table)
        empty = np.zeros(0, np.int64)
        changes = (empty, empty, empty, empty, empty, empty.astype(np.int32))
        columns: Mapping[str, Column] = {}
        if lane in self.parts:
            columns = self.columns[lane]
            kind, partition = columns[CHANGE].values, self.parts[lane].batch.partition
            changes = (self._places(lane), self.slots[lane], columns[VERSION].values, kind, columns[DIGEST].values, partition)
        reads = [(self._places(lane), self.slots[lane]) for lane in (self.primary[step.stream] for step in lookups)]
        for step, references in zip(lookups, versions.apply(changes, columns, reads), strict=True):
            target = self.columns[self.primary[step.stream]]
            for name in step.columns:
                target[f"{step.join.name}.{name}"] = versions.read(name, references)
        versions.compact()

    def _derive(self, step: Derive) -> None:
        lane = self.primary.get(step.stream)
        if lane is not None:
            self.columns[lane][step.column] = step.expression.column(self.columns[lane], len(self.parts[lane].batch))

    def _wave(self, step: Wave) -> None:
        self._merge()
        asked = self._asked(step)
        if not self.n and not len(asked):
            return
        slot, time = self.slot, self.time
        adds = {(fact.of, fact.by.fields): self._adds(fact) for fact in step.features}
        reads = {fact.name: self._reads(step.readers[fact.name]) for fact in step.features}
        values = {fact.name: self._value(fact) for fact in step.features if fact.value is not None}
        where = {fact.name: self._where(fact) for fact in step.features if fact.where is not None}
        events = self._event_columns(step)
        if len(asked):
            slot, time, adds, reads, values, where, events = asked.among(slot, time, adds, reads, values, where, events)
        found = self.shard.windows[id(step)].process(slot, time, adds, reads, values, where, events)
        if len(asked):
            found = self._answered(step, asked, found)
        for fact in step.features:
            self._give(fact.name, step.readers[fact.name], found, fact.event_fields if fact.event else ())

    def _asked(self, step: Wave) -> Asked:
        """All moments at which a deadline might ask for features of this wave."""
        asked = Asked(self.time)
        for pattern, _ in self.shard.reads_at_deadlines[id(step)]:
            machine = self.shard.machines[pattern.name]
            assert isinstance(machine, PatternMachine)
            trigger = machine.trigger
            asked.add(pattern.name, *trigger.deadlines(), self.outcome.bound.time)
            lane = self.primary.get(pattern.on)
            if lane is not None:
                due = self.parts[lane].batch.time + trigger.hold
                asked.add(pattern.name, self.slots[lane], due, self.outcome.bound.time)
        return asked.sorted()

    def _answered(self, step: Wave, asked: Asked, found: Mapping[str, Column]) -> dict[str, Column]:
        """Note what deadlines asked for; the features of the rows alone."""
        for pattern, columns in self.shard.reads_at_deadlines[id(step)]:
            values = {column: found[name].take(asked.places(pattern.name)) for column, name in columns.items()}
            self.asof.setdefault(pattern.name, []).append(DeadlineValues(*asked.of(pattern.name), values))
        return {name: column.take(asked.rows) for name, column in found.items()}

    def _scoring(self, step: Scoring) -> None:
        self._merge()
        if not self.n:
            return
        found = self.shard.scores[id(step)].process(
            self.slot,
            self.time,
            {(score.of or "", score.by.fields): self._adds(score) for score in step.scores},
            {score.name: self._reads(step.readers[score.name]) for score in step.scores},
            {score.name: self._value(score) for score in step.scores},
            {score.name: self._where(score) for score in step.scores if score.where is not None},
        )
        for score in step.scores:
            self._give(score.name, step.readers[score.name], found, ())

    def _merge(self) -> None:
        """Put rows of flags that were raised on the way among all others, in the total order."""
        if not self.raised:
            return
        ready = {lane: [part.batch.with_columns(self.columns[lane])] for lane, part in self.parts.items()}
        slots = {lane: self.slots[lane] for lane in self.parts}
        self.raised = {}
        chunk = merged(ready)
        self.parts = {part.lane: part for part in chunk.parts}
        self.n, self.time, self.slots = len(chunk), chunk.time, slots
        self.slot = self._spread_slots()

    def _lane_of(self, fact: Feature | Score) -> int | None:
        for index, lane in enumerate(self.stage.lanes):
            if lane.source == fact.of and lane.fields == fact.by.fields and not lane.table and index in self.parts:
                return index
        return None

    def _mask(self, lanes: Iterable[int]) -> NDArray[np.bool_] | None:
        """Rows of these lanes that have a key; None means all rows."""
        chosen = list(lanes)
        if len(self.parts) == 1 and chosen and not (self.slot < 0).any():
            return None
        mask = np.zeros(self.n, np.bool_)
        for lane in chosen:
            mask[self._places(lane)] = True
        return mask & (self.slot >= 0)

    def _adds(self, fact: Feature | Score) -> NDArray[np.bool_] | None:
        lane = self._lane_of(fact)
        return self._mask([] if lane is None else [lane])

    def _reads(self, streams: Iterable[str]) -> NDArray[np.bool_] | None:
        return self._mask(self.primary[stream] for stream in streams if stream in self.primary)

    def _value(self, fact: Feature | Score) -> Column:
        assert fact.value is not None
        lane = self._lane_of(fact)
        if lane is None:
            return nulls(fact.value.type, self.n)
        return self._spread(fact.value.column(self.columns[lane], len(self.parts[lane].batch)), lane)

    def _where(self, fact: Feature | Score) -> NDArray[np.bool_] | None:
        assert fact.where is not None
        lane = self._lane_of(fact)
        if lane is None:
            return np.zeros(self.n, np.bool_)
        found = self._spread(fact.where.column(self.columns[lane], len(self.parts[lane].batch)), lane)
        return np.asarray(found.values if found.valid is None else found.values & found.valid, np.bool_)

    def _event_columns(self, step: Wave) -> dict[str, Column]:
        columns: dict[str, Column] = {}
        for fact in step.features:
            if fact.event:
                lane = self._lane_of(fact)
                for name in fact.event_fields:
                    type_ = self.shard.plan.application.stream(fact.of).fields[name].type
                    given = None if lane is None else self.columns[lane][name]
                    columns[name] = nulls(type_, self.n) if given is None or lane is None else self._spread(given, lane)
        return columns

    def _spread(self, column: Column, lane: int) -> Column:
        """A lane's column over all rows of the chunk."""
        at = self.parts[lane].at
        if at is None:
            return column
        source = np.zeros(self.n, np.int64)
        source[at] = np.arange(len(at))
        valid = np.zeros(self.n, np.bool_)
        valid[at] = column.is_valid()
        whole = column.take(source)
        return Column(column.type, whole.values, valid)

    def _places(self, lane: int) -> NDArray[np.int64]:
        at = self.parts[lane].at
        return np.arange(self.n) if at is None else at

    def _give(self, name: str, streams: Iterable[str], found: Mapping[str, Column], fields: Sequence[str]) -> None:
        for stream in streams:
            lane = self.primary.get(stream)
            if lane is None:
                continue
            at = self.parts[lane].at
            column = f"{name}[{','.join(self.stage.fields[stream])}]"
            for suffix in [f".{part}" for part in fields] or [""]:
                whole = found[f"{name}{suffix}"]
                self.columns[lane][column + suffix] = whole if at is None else whole.take(at)

    def _rollup(self, rollup: Rollup) -> None:
        machine, until = self.shard.rollups[rollup.name], self.outcome.bound.time
        part = self._lane_rows(0, rollup.of, rollup.by.fields)
        closed = machine.step(None if part is None else Rows(part.slot, part.batch, part.columns), until)
        if closed is not None:
            self._insert(rollup.name, *self.shard.rollup_rows[rollup.name].rows(closed))

    def _pattern(self, pattern: Pattern) -> None:
        machine = self.shard.machines[pattern.name]
        if not isinstance(machine, PatternMachine):
            self._sequence(pattern, machine)
            return
        lane = self.primary.get(pattern.on)
        until = self.outcome.bound.time
        if lane is None and not machine.ripe(until):
            return
        known = self.asof.get(pattern.name, ())

        def as_of(slot: int, moment: int) -> dict[str, object]:
            return {column: value for part in known for column, value in part.at(slot, moment).items()}

        given = None if lane is None else self._given(pattern, lane)
        if given is not None and pattern.name in self.shard.settling:
            self.shard.settling[pattern.name].see(given.slot, given.batch.time, given.when)
        hits = machine.step(given, until, as_of)
        self._out(pattern, machine, hits, waits=bool(pattern.suppress.per))

    def _suppression(self, pattern: Pattern) -> None:
        """Suppress a pattern's hits by another key than its own."""
        machine = self.shard.suppressions[pattern.name]
        lane = self.primary.get(hits_of(pattern.name))
        until = self.outcome.bound.time
        if lane is not None:
            hits = machine.step(self.slots[lane], self.parts[lane].batch, self.columns[lane], until)
        elif machine.ripe(until):
            hits = machine.step(np.zeros(0, np.int64), None, {}, until)
        else:
            return
        self._out(pattern, machine, hits, waits=False)

    def _out(self, pattern: Pattern, machine: Machine | PerMachine, hits: list[Hit], *, waits: bool) -> None:
        """Hits go out as flags unless a later stage suppresses them, and as rows where somebody takes them."""
        if pattern.name in self.shard.settling:
            hits = self.shard.settling[pattern.name].mark(hits)
        if not waits and (self.shard.plan.application.storm is None or pattern.mode == "part"):
            self.outcome.hits.extend(Found(pattern, hit, hit.key or self.shard.keys.key(hit.slot)) for hit in hits)
        # A key that never spoke has no event whose fields a row could take.
        hits = [hit for hit in hits if hit.first is not None]
        for flags in self.shard.flags[pattern.name] if hits else ():
            self._insert(flags.name, *flags.rows(hits, machine.sources(hits)))
        machine.settle()

    def _storming(self, pattern: Pattern) -> None:
        """Let a pattern's flags out, those beyond the limit as late."""
        lane = self.primary.get(flags_before_storm(pattern.name))
        if lane is not None:
            hits = self.shard.storms[pattern.name].step(self.parts[lane].batch, self.columns[lane])
            self.outcome.hits.extend(Found(pattern, hit, hit.key) for hit in hits)

    def _sequence(self, pattern: Pattern, machine: SequenceMachine | AbsenceMachine) -> None:
        until = self.outcome.bound.time
        self._merge()
        if isinstance(machine, AbsenceMachine):
            rows = self._absence_rows(pattern)
            hits = machine.step(rows, until) if rows is not None or machine.ripe(until) else []
        else:
            found = [self._lane_rows(number, *lane) for number, lane in enumerate(machine.program.lanes)]
            lanes = [part for part in found if part is not None]
            ready = ordered(machine.program, lanes, self.truths) if lanes else None
            hits = machine.step(ready, until) if lanes or machine.ripe(until) else []
        self._out(pattern, machine, hits, waits=bool(pattern.suppress.per))

    def _absence_rows(self, pattern: Pattern) -> AbsenceRows | None:
        assert pattern.absence is not None
        part = self._lane_rows(0, pattern.on, pattern.by.fields)
        fitting = None if part is None else (part, self.truths.of(part, pattern.when))
        expect = pattern.absence.expect
        table = None if expect is None else self._lane_rows(1, expect, self.shard.plan.application.tables[expect].key, table=True)
        return absence_rows(fitting, table and (table, table.columns[CHANGE].values & 3))

    def _lane_rows(self, number: int, source: str, fields: tuple[str, ...], *, table: bool = False) -> LaneRows | None:
        """Rows of a source keyed by fields; those of a primary lane if there is one, since they have all columns."""
        found = [
            index for index, lane in enumerate(self.stage.lanes)
            if lane.source == source and lane.fields == fields and lane.table == table and index in self.parts
        ]  # fmt: skip
        if not found:
            return None
        lane = max(found, key=lambda index: self.stage.lanes[index].primary)
        return LaneRows(number, self._places(lane), self.slots[lane], self.parts[lane].batch, self.columns[lane])

    def _insert(self, pattern: str, slots: NDArray[np.int64], batch: Batch) -> None:
        """Take rows of a pattern's flags, or of a rollup, as a lane of this stage."""
        lane = next(index for index, lane in enumerate(self.stage.lanes) if lane.source == pattern and lane.primary)
        self.parts[lane] = Part(lane, batch, None)
        self.columns[lane], self.slots[lane] = dict(batch.columns), slots
        self.primary[pattern] = lane
        self.raised[lane] = batch

    def _given(self, pattern: Pattern, lane: int) -> Given:
        batch, columns, slots = self.parts[lane].batch, self.columns[lane], self.slots[lane]
        if (slots < 0).any():
            rows = np.flatnonzero(slots >= 0)
            batch, slots = batch.take(rows), slots[rows]
            columns = {name: column.take(rows) for name, column in columns.items()}
        when = _true(pattern.when.column(columns, len(batch)))
        clear = None if pattern.clear is None else _true(pattern.clear.column(columns, len(batch)))
        return Given(slots, batch, columns, when, clear, self._passes(pattern, batch, columns))

    def _passes(self, pattern: Pattern, batch: Batch, columns: Mapping[str, Column]) -> NDArray[np.bool_] | None:
        passes: NDArray[np.bool_] | None = None
        if pattern.active is not None:
            passes = pattern.active.calendar.contains_all(batch.time) == pattern.active.inside
        if pattern.guard is not None:
            guard = _true(pattern.guard.column(columns, len(batch)))
            passes = guard if passes is None else passes & guard
        return passes

    def _pass_on(self, stream: str, lane: int) -> None:
        plan, index = self.shard.plan, self.stage.index
        needed: set[str] = set()
        for target in plan.targets.get((index, stream), ()):
            needed |= plan.columns[target]
        if plan.last[stream] == index and stream in plan.outputs:
            needed |= plan.outputs[stream]
        elif not plan.targets.get((index, stream)):
            return
        batch = self.parts[lane].batch
        columns = {name: column for name, column in self.columns[lane].items() if name in needed}
        self.outcome.rows.append((stream, replace(batch, columns=columns)))


def _true(column: Column) -> NDArray[np.bool_]:
    values: NDArray[np.bool_] = column.values
    return values if column.valid is None else values & column.valid
