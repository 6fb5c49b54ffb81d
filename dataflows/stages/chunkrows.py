"""The rows of one chunk on their way through a stage: by lane, and all together in the total order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dataflows.batches.batch import Batch
from dataflows.operators.keys import KeyTable
from dataflows.operators.reorder import Chunk, Part, merged
from dataflows.operators.sequences.rows import LaneRows
from dataflows.operators.trace import record_of
from dataflows.planning.steps import Stage
from dataflows.stages.items import HASH, KEY
from models.application.resolved.facts import Feature, Score
from models.values.column import Column


class ChunkRows:
    """Rows by lane with their columns, which grow from step to step.

    n: all rows; slot: key slot by row, int64[n], -1 without a key; time: event time in µs, int64[n]; primary: the lane with all
    columns of a stream that is in the chunk; parts, columns, slots: by lane.
    """

    def __init__(self, stage: Stage, keys: KeyTable, chunk: Chunk) -> None:
        self.stage = stage
        self.keys = keys
        self.n = len(chunk)
        self.parts = {part.lane: part for part in chunk.parts}
        self.columns = {part.lane: dict(part.batch.columns) for part in chunk.parts}
        self.slots = {part.lane: self._slots_of(part) for part in chunk.parts}
        self.primary = {lane.source: index for index, lane in enumerate(stage.lanes) if lane.primary and index in self.parts}
        self.slot = self._spread_slots()
        self.time = chunk.time
        self.raised: dict[int, Batch] = {}

    def merge(self) -> None:
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

    def insert(self, pattern: str, slots: NDArray[np.int64], batch: Batch) -> None:
        """Take rows of a pattern's flags, or of a rollup, as a lane of this stage."""
        lane = next(index for index, lane in enumerate(self.stage.lanes) if lane.source == pattern and lane.primary)
        self.parts[lane] = Part(lane, batch, None)
        self.columns[lane], self.slots[lane] = dict(batch.columns), slots
        self.primary[pattern] = lane
        self.raised[lane] = batch

    def lane_of(self, fact: Feature | Score) -> int | None:
        """The lane with the rows that a feature or score is computed of; None if the chunk has none."""
        for index, lane in enumerate(self.stage.lanes):
            if lane.source == fact.of and lane.fields == fact.by.fields and not lane.table and index in self.parts:
                return index
        return None

    def lane_rows(self, number: int, source: str, fields: tuple[str, ...], *, table: bool = False) -> LaneRows | None:
        """Rows of a source keyed by fields; those of a primary lane if there is one, since they have all columns."""
        found = [
            index for index, lane in enumerate(self.stage.lanes)
            if lane.source == source and lane.fields == fields and lane.table == table and index in self.parts
        ]  # fmt: skip
        if not found:
            return None
        lane = max(found, key=lambda index: self.stage.lanes[index].primary)
        return LaneRows(number, self.places(lane), self.slots[lane], self.parts[lane].batch, self.columns[lane])

    def mask(self, lanes: Iterable[int]) -> NDArray[np.bool_] | None:
        """Rows of these lanes that have a key; None means all rows."""
        chosen = list(lanes)
        if len(self.parts) == 1 and chosen and not (self.slot < 0).any():
            return None
        mask = np.zeros(self.n, np.bool_)
        for lane in chosen:
            mask[self.places(lane)] = True
        return mask & (self.slot >= 0)

    def spread(self, column: Column, lane: int) -> Column:
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

    def places(self, lane: int) -> NDArray[np.int64]:
        """Where a lane's rows are among all rows; int64[m]."""
        at = self.parts[lane].at
        return np.arange(self.n) if at is None else at

    def records(self, lane: int) -> NDArray[np.int64]:
        """Where the records of a lane's rows lie in their input; int64[m]."""
        return record_of(self.parts[lane].batch.partition, self.parts[lane].batch.offset)

    def give(self, name: str, streams: Iterable[str], found: Mapping[str, Column], fields: Sequence[str]) -> None:
        """Put a feature's or score's columns, which are of all rows, into the lanes of the streams that read it."""
        for stream in streams:
            lane = self.primary.get(stream)
            if lane is None:
                continue
            at = self.parts[lane].at
            column = f"{name}[{','.join(self.stage.fields[stream])}]"
            for suffix in [f".{part}" for part in fields] or [""]:
                whole = found[f"{name}{suffix}"]
                self.columns[lane][column + suffix] = whole if at is None else whole.take(at)

    def _slots_of(self, part: Part) -> NDArray[np.int64]:
        key, hashes = part.batch.columns[KEY], part.batch.columns[HASH].values.view(np.uint64)
        if key.valid is None:
            return self.keys.slots(key.values, hashes)
        slots = np.full(len(key), -1, np.int64)
        here = np.flatnonzero(key.valid)
        slots[here] = self.keys.slots(key.values.take(here), hashes[here])
        return slots

    def _spread_slots(self) -> NDArray[np.int64]:
        if len(self.parts) == 1:
            return next(iter(self.slots.values()))
        slots = np.empty(self.n, np.int64)
        for lane, part in self.parts.items():
            slots[part.at] = self.slots[lane]
        return slots
