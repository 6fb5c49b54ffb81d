"""Patterns over a chunk's rows: hits, the flags that go out, and the rows of flags that others take."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dataflows.batches.batch import Batch
from dataflows.operators.absence import AbsenceMachine, AbsenceRows, absence_rows
from dataflows.operators.machine import AsOf, Given, PatternMachine
from dataflows.operators.per import PerMachine
from dataflows.operators.sequences.machine import SequenceMachine
from dataflows.operators.sequences.rows import Truths, ordered
from dataflows.planning.steps import flags_before_storm, hits_of
from dataflows.stages.asof import DeadlineValues
from dataflows.stages.chunkrows import ChunkRows
from dataflows.stages.items import CHANGE, Found, Outcome
from dataflows.stages.shardstate import Machine, ShardState
from models.application.resolved.patterns import Pattern
from models.events.hit import Hit
from models.values.column import Column


class Raising:
    """Takes patterns one by one. asof: what deadlines read of features, by pattern; truths: step conditions known by now."""

    def __init__(self, shard: ShardState, rows: ChunkRows, outcome: Outcome, asof: Mapping[str, list[DeadlineValues]]) -> None:
        self.shard = shard
        self.rows = rows
        self.outcome = outcome
        self.asof = asof
        self.truths = Truths()

    def pattern(self, pattern: Pattern) -> None:
        """Recognise a pattern among the rows and the deadlines that have passed."""
        machine = self.shard.machines[pattern.name]
        if not isinstance(machine, PatternMachine):
            machine.asof = self._as_of(pattern)
            self._sequence(pattern, machine)
            return
        lane = self.rows.primary.get(pattern.on)
        until = self.outcome.bound.time
        if lane is None and not machine.ripe(until):
            return
        given = None if lane is None else self._given(pattern, lane)
        if given is not None and pattern.name in self.shard.settling:
            self.shard.settling[pattern.name].see(given.slot, given.batch.time, given.when)
        hits = machine.step(given, until, self._as_of(pattern))
        self._out(pattern, machine, hits, waits=bool(pattern.suppress.per))

    def _as_of(self, pattern: Pattern) -> AsOf:
        known, unseen = self.asof.get(pattern.name, ()), self.shard.unseen.get(pattern.name)

        def as_of(slot: int, moment: int) -> dict[str, object]:
            found = {column: value for part in known for column, value in part.at(slot, moment).items()}
            return found if unseen is None else {**unseen.key(slot), **found}

        return as_of

    def suppression(self, pattern: Pattern) -> None:
        """Suppress a pattern's hits by another key than its own."""
        machine = self.shard.suppressions[pattern.name]
        lane = self.rows.primary.get(hits_of(pattern.name))
        until = self.outcome.bound.time
        if lane is not None:
            hits = machine.step(self.rows.slots[lane], self.rows.parts[lane].batch, self.rows.columns[lane], until)
        elif machine.ripe(until):
            hits = machine.step(np.zeros(0, np.int64), None, {}, until)
        else:
            return
        self._out(pattern, machine, hits, waits=False)

    def storming(self, pattern: Pattern) -> None:
        """Let a pattern's flags out, those beyond the limit as late."""
        lane = self.rows.primary.get(flags_before_storm(pattern.name))
        if lane is not None:
            hits = self.shard.storms[pattern.name].step(self.rows.parts[lane].batch, self.rows.columns[lane])
            self.outcome.hits.extend(Found(pattern, hit, hit.key) for hit in hits)

    def _sequence(self, pattern: Pattern, machine: SequenceMachine | AbsenceMachine) -> None:
        until = self.outcome.bound.time
        self.rows.merge()
        if isinstance(machine, AbsenceMachine):
            rows = self._absence_rows(pattern)
            hits = machine.step(rows, until) if rows is not None or machine.ripe(until) else []
        else:
            found = [self.rows.lane_rows(number, *lane) for number, lane in enumerate(machine.program.lanes)]
            lanes = [part for part in found if part is not None]
            ready = ordered(machine.program, lanes, self.truths) if lanes else None
            hits = machine.step(ready, until) if lanes or machine.ripe(until) else []
        self._out(pattern, machine, hits, waits=bool(pattern.suppress.per))

    def _absence_rows(self, pattern: Pattern) -> AbsenceRows | None:
        assert pattern.absence is not None
        part = self.rows.lane_rows(0, pattern.on, pattern.by.fields)
        fitting = None if part is None else (part, self.truths.of(part, pattern.when))
        expect, tables = pattern.absence.expect, self.shard.plan.application.tables
        table = None if expect is None else self.rows.lane_rows(1, expect, tables[expect].key, table=True)
        return absence_rows(fitting, table and (table, table.columns[CHANGE].values & 3))

    def _given(self, pattern: Pattern, lane: int) -> Given:
        batch, columns, slots = self.rows.parts[lane].batch, self.rows.columns[lane], self.rows.slots[lane]
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

    def _out(self, pattern: Pattern, machine: Machine | PerMachine, hits: list[Hit], *, waits: bool) -> None:
        """Hits go out as flags unless a later stage suppresses them, and as rows where somebody takes them."""
        if pattern.name in self.shard.settling:
            hits = self.shard.settling[pattern.name].mark(hits)
        if not waits and (self.shard.plan.application.storm is None or pattern.mode == "part"):
            self.outcome.hits.extend(Found(pattern, hit, hit.key or self.shard.keys.key(hit.slot)) for hit in hits)
        for flags in self.shard.flags[pattern.name] if hits else ():
            self.rows.insert(flags.name, *flags.rows(hits, self._sources(pattern, machine, hits, sorted(flags.passed))))
        machine.settle()

    def _sources(self, pattern: Pattern, machine: Machine | PerMachine, hits: list[Hit], names: list[str]) -> Batch:
        """The rows that hits take their fields from; a key that never spoke has none."""
        seen = [hit for hit in hits if hit.first is not None]
        if len(seen) == len(hits) or isinstance(machine, PerMachine):
            return machine.sources(hits)
        return self.shard.unseen[pattern.name].sources(hits, machine.sources(seen) if seen else None, names)


def _true(column: Column) -> NDArray[np.bool_]:
    values: NDArray[np.bool_] = column.values
    return values if column.valid is None else values & column.valid
