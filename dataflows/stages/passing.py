"""One chunk on its way through the steps of a stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from dataflows.operators.reorder import Chunk
from dataflows.operators.rollup import Rows
from dataflows.operators.trace import NOT_TRACED
from dataflows.operators.versions import SNAPSHOT, Versions
from dataflows.planning.steps import Derive, Lookup, Scoring, Storming, Suppression, Wave
from dataflows.stages.chunkrows import ChunkRows
from dataflows.stages.comparing import Compared
from dataflows.stages.items import CHANGE, DIGEST, VERSION, Outcome
from dataflows.stages.raising import Raising
from dataflows.stages.shardstate import ShardState
from dataflows.stages.waves import Waves
from models.application.resolved.facts import Label, Rollup
from models.application.resolved.patterns import Pattern
from models.values.column import Column


def passed(shard: ShardState, chunk: Chunk, outcome: Outcome) -> None:
    """Take a chunk through all steps of the shard's stage; what comes of it goes into ``outcome``."""
    _Pass(shard, chunk, outcome).run()


class _Pass:
    def __init__(self, shard: ShardState, chunk: Chunk, outcome: Outcome) -> None:
        self.shard = shard
        self.outcome = outcome
        self.rows = ChunkRows(shard.stage, shard.keys, chunk)
        self.waves = Waves(shard, self.rows, outcome.bound.time)
        self.raising = Raising(shard, self.rows, outcome, self.waves.asof)

    def run(self) -> None:
        """Take the steps, then pass rows on."""
        for table, versions in self.shard.tables.items() if self.rows.n else ():
            self._changes(table, versions)
        for step in self.shard.stage.steps:
            match step:
                case Derive():
                    self._derive(step)
                case Lookup():
                    pass
                case Wave():
                    self.waves.wave(step)
                case Scoring():
                    self.waves.scoring(step)
                case Rollup():
                    self._rollup(step)
                case Pattern():
                    self.raising.pattern(step)
                case Suppression():
                    self.raising.suppression(step.pattern)
                case Storming():
                    self.raising.storming(step.pattern)
        for stream, lane in self.rows.primary.items():
            self._pass_on(stream, lane)

    def _changes(self, table: str, versions: Versions) -> None:
        """Apply a table's changes, and let every join read it as of its rows."""
        rows, stage = self.rows, self.rows.stage
        lookups = [s for s in stage.steps if isinstance(s, Lookup) and s.join.table == table and s.stream in rows.primary]
        lane = next(index for index, lane in enumerate(stage.lanes) if lane.table and lane.source == table)
        empty = np.zeros(0, np.int64)
        changes = (empty, empty, empty, empty, empty, empty.astype(np.int32))
        columns: Mapping[str, Column] = {}
        if lane in rows.parts:
            columns = rows.columns[lane]
            kind, partition = columns[CHANGE].values, rows.parts[lane].batch.partition
            changes = (rows.places(lane), rows.slots[lane], columns[VERSION].values, kind, columns[DIGEST].values, partition)
        reads = [(rows.places(lane), rows.slots[lane]) for lane in (rows.primary[step.stream] for step in lookups)]
        records = None
        if versions.trace is not None and lane in rows.parts:
            # A late change takes effect after the event of its record; a snapshot's row is nobody's change.
            first = (rows.time[changes[0]] <= changes[2]) & (changes[3] & 3 != SNAPSHOT)
            records = np.where(first, rows.records(lane), NOT_TRACED)
        for step, references in zip(lookups, versions.apply(changes, columns, reads, records), strict=True):
            found = rows.primary[step.stream]
            if step.join.compares:
                compared = Compared(versions, rows.records(found), references, rows.columns[found]["op"])
                rows.columns[found].update({step.join.column(n): compared.column(n, rows.columns[found][n]) for n in step.columns})
                continue
            for name in step.columns:
                rows.columns[found][step.join.column(name)] = versions.read(name, references)
        if versions.trace is not None:
            versions.trace.forget(int(rows.time[-1]))
        versions.compact()

    def _derive(self, step: Derive) -> None:
        lane = self.rows.primary.get(step.stream)
        if lane is not None:
            self.rows.columns[lane][step.column] = step.expression.column(self.rows.columns[lane], len(self.rows.parts[lane].batch))

    def _rollup(self, rollup: Rollup) -> None:
        if rollup.label is not None:
            self._label(rollup, rollup.label)
            return
        machine, until = self.shard.rollups[rollup.name], self.outcome.bound.time
        part = self.rows.lane_rows(0, rollup.of, rollup.by.fields)
        closed = machine.step(None if part is None else Rows(part.slot, part.batch, part.columns), until)
        if closed is not None:
            self.rows.insert(rollup.name, *self.shard.rollup_rows[rollup.name].rows(closed))

    def _label(self, rollup: Rollup, label: Label) -> None:
        machine = self.shard.labels[rollup.name]
        found = [self.rows.lane_rows(0, *lane) for lane in ((rollup.of, rollup.by.fields), (label.source, (label.matches,)))]
        events, told = (None if part is None else Rows(part.slot, part.batch, part.columns) for part in found)
        labelled = machine.step(events, told, self.outcome.bound.time)
        if labelled is not None:
            self.rows.insert(rollup.name, *labelled)

    def _pass_on(self, stream: str, lane: int) -> None:
        plan, index = self.shard.plan, self.rows.stage.index
        needed: set[str] = set()
        for target in plan.targets.get((index, stream), ()):
            needed |= plan.columns[target]
        if plan.last[stream] == index and stream in plan.outputs:
            needed |= plan.outputs[stream]
        elif not plan.targets.get((index, stream)):
            return
        batch = self.rows.parts[lane].batch
        columns = {name: column for name, column in self.rows.columns[lane].items() if name in needed}
        self.outcome.rows.append((stream, replace(batch, columns=columns)))
