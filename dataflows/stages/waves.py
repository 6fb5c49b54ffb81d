"""Features and scores of a chunk's rows, and of the moments at which deadlines ask for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from dataflows.operators.absence import AbsenceMachine
from dataflows.operators.machine import PatternMachine
from dataflows.operators.sequences.machine import SequenceMachine
from dataflows.planning.steps import Scoring, Wave
from dataflows.stages.asof import Asked, DeadlineValues
from dataflows.stages.chunkrows import ChunkRows
from dataflows.stages.shardstate import ShardState
from models.application.resolved.facts import Feature, Score
from models.application.resolved.patterns import Pattern
from models.values.column import Column, nulls


class Waves:
    """Computes features and scores. until: the bound, µs; asof: what deadlines of each pattern read, filled wave by wave."""

    def __init__(self, shard: ShardState, rows: ChunkRows, until: int) -> None:
        self.shard = shard
        self.rows = rows
        self.until = until
        self.asof: dict[str, list[DeadlineValues]] = {}
        self.due: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}

    def wave(self, step: Wave) -> None:
        """Compute the features of a wave."""
        self.rows.merge()
        asked = self._asked(step)
        if not self.rows.n and not len(asked):
            return
        slot, time = self.rows.slot, self.rows.time
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
            self.rows.give(fact.name, step.readers[fact.name], found, fact.event_fields if fact.event else ())

    def scoring(self, step: Scoring) -> None:
        """Compute scores."""
        self.rows.merge()
        if not self.rows.n:
            return
        found = self.shard.scores[id(step)].process(
            self.rows.slot,
            self.rows.time,
            {(score.of or "", score.by.fields): self._adds(score) for score in step.scores},
            {score.name: self._reads(step.readers[score.name]) for score in step.scores},
            {score.name: self._value(score) for score in step.scores},
            {score.name: self._where(score) for score in step.scores if score.where is not None},
        )
        for score in step.scores:
            self.rows.give(score.name, step.readers[score.name], found, ())

    def _asked(self, step: Wave) -> Asked:
        """All moments at which a deadline might ask for features of this wave."""
        asked = Asked(self.rows.time)
        for pattern, _ in self.shard.reads_at_deadlines[id(step)]:
            machine = self.shard.machines[pattern.name]
            if not isinstance(machine, PatternMachine):
                asked.add(pattern.name, *self._due(pattern, machine), self.until)
                continue
            trigger = machine.trigger
            asked.add(pattern.name, *trigger.deadlines(), self.until)
            lane = self.rows.primary.get(pattern.on)
            if lane is not None:
                due = self.rows.parts[lane].batch.time + trigger.hold
                asked.add(pattern.name, self.rows.slots[lane], due, self.until)
        return asked.sorted()

    def _due(self, pattern: Pattern, machine: SequenceMachine | AbsenceMachine) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The pairs of slot and moment that have come, worked out once a chunk."""
        if pattern.name not in self.due:
            if isinstance(machine, AbsenceMachine):
                parts = [self.rows.lane_rows(0, pattern.on, pattern.by.fields)]
                expect = None if pattern.absence is None else pattern.absence.expect
                if expect is not None:
                    key = self.shard.plan.application.tables[expect].key
                    parts.append(self.rows.lane_rows(1, expect, key, table=True))
            else:
                parts = [self.rows.lane_rows(number, *lane) for number, lane in enumerate(machine.program.lanes)]
            self.due[pattern.name] = self.shard.dues[pattern.name].take(parts, self.until)
        return self.due[pattern.name]

    def _answered(self, step: Wave, asked: Asked, found: Mapping[str, Column]) -> dict[str, Column]:
        """Note what deadlines asked for; the features of the rows alone."""
        for pattern, columns in self.shard.reads_at_deadlines[id(step)]:
            values = {column: found[name].take(asked.places(pattern.name)) for column, name in columns.items()}
            self.asof.setdefault(pattern.name, []).append(DeadlineValues(*asked.of(pattern.name), values))
        return {name: column.take(asked.rows) for name, column in found.items()}

    def _adds(self, fact: Feature | Score) -> NDArray[np.bool_] | None:
        lane = self.rows.lane_of(fact)
        return self.rows.mask([] if lane is None else [lane])

    def _reads(self, streams: Iterable[str]) -> NDArray[np.bool_] | None:
        return self.rows.mask(self.rows.primary[stream] for stream in streams if stream in self.rows.primary)

    def _value(self, fact: Feature | Score) -> Column:
        assert fact.value is not None
        lane = self.rows.lane_of(fact)
        if lane is None:
            return nulls(fact.value.type, self.rows.n)
        return self.rows.spread(fact.value.column(self.rows.columns[lane], len(self.rows.parts[lane].batch)), lane)

    def _where(self, fact: Feature | Score) -> NDArray[np.bool_] | None:
        assert fact.where is not None
        lane = self.rows.lane_of(fact)
        if lane is None:
            return np.zeros(self.rows.n, np.bool_)
        found = self.rows.spread(fact.where.column(self.rows.columns[lane], len(self.rows.parts[lane].batch)), lane)
        return np.asarray(found.values if found.valid is None else found.values & found.valid, np.bool_)

    def _event_columns(self, step: Wave) -> dict[str, Column]:
        columns: dict[str, Column] = {}
        for fact in step.features:
            if fact.event:
                lane = self.rows.lane_of(fact)
                for name in fact.event_fields:
                    type_ = self.shard.plan.application.stream(fact.of).fields[name].type
                    given = None if lane is None else self.rows.columns[lane][name]
                    columns[name] = nulls(type_, self.rows.n) if given is None or lane is None else self.rows.spread(given, lane)
        return columns
