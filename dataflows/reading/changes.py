"""What becomes of each change of one partition of a table: a version that holds from its time, or from when it is seen.

The leading run of snapshot rows holds since ever, and leaves the bound where it was: at the very beginning. A change that is
late in its own partition is kept; it takes its place in the order at the partition's bound (language: tables).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.batches.batch import BEFORE_ALL, Batch, Rows
from dataflows.decoding.decoded import (
    IS_CHANGE,
    IS_DELETE,
    IS_SNAPSHOT,
    IS_TRUNCATION,
    MARKS,
    NO_TIME,
    TIME,
    UNCHANGED,
    Decoded,
    RawRows,
)
from dataflows.decoding.origin import Located
from dataflows.operators.digest import digests
from dataflows.operators.versions import DELETE, SNAPSHOT, TRUNCATION, UPSERT, coded
from dataflows.reading.deadlimit import DeadLimit
from dataflows.reading.judge import Judged, dead_of, last_offset, numbers_of
from dataflows.reading.outliers import FAR
from dataflows.stages.items import CHANGE, DIGEST, VERSION
from models.application.resolved.sources import Table
from models.values.column import Column
from models.values.types import INT, TIMESTAMP


class ChangeJudge:
    """The state of one partition of a table."""

    def __init__(self, table: Table, source: int, partition: int, max_dead: float = 0.05) -> None:
        self.table = table
        self.source = source
        self.partition = partition
        self.newest = BEFORE_ALL
        self.announced = BEFORE_ALL
        self.leading = True
        self.deleted = NO_TIME
        self.limit = DeadLimit(max_dead)

    @property
    def bound(self) -> int:
        """No change takes effect before this time any more (microseconds)."""
        return max(self.announced, BEFORE_ALL if self.newest == BEFORE_ALL else self.newest - self.table.lateness)

    def announce(self, bound: int) -> None:
        """Let no change take effect before a time any more; the run of snapshot rows at the begin has ended by then."""
        self.announced = max(self.announced, bound)
        self.leading = False

    def join(self, bound: int) -> None:
        """Begin in a run that has come to a time already (microseconds): no change takes effect before it."""
        self.announced = max(self.announced, bound)

    def snapshot(self) -> dict[str, Any]:
        """What the partition's rows left behind, as plain values."""
        bounds = {"newest": self.newest, "announced": self.announced, "leading": self.leading}
        return {**bounds, "deleted": self.deleted, "limit": self.limit.snapshot()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        self.newest, self.announced, self.leading = state["newest"], state["announced"], state["leading"]
        self.deleted = state["deleted"]
        self.limit.restore(state["limit"])

    max_ahead = FAR
    time_field = "time"

    def times(self, decoded: Decoded) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Times of changes (int64[n] microseconds), and which of them move the bound (bool[n])."""
        time = self._times(decoded)
        good: NDArray[np.bool_] = decoded.columns[IS_CHANGE].values.copy()
        good[[row.row for row in decoded.dead]] = False
        snapshot: NDArray[np.bool_] = decoded.columns[IS_SNAPSHOT].values & good
        return time, good & ~self._leading(snapshot, good) & (time != NO_TIME)

    def judge(self, raw: RawRows, decoded: Decoded, topic: str, first_number: int, partition_number: int = 0) -> Judged:
        """Judge the changes of one read, in order."""
        place = Located(decoded.chunk, topic, partition_number, numbers_of(raw, first_number, decoded.n))
        time = self._times_of_tombstones(decoded, self._times(decoded))
        good: NDArray[np.bool_] = decoded.columns[IS_CHANGE].values.copy()
        good[[row.row for row in decoded.dead]] = False
        snapshot: NDArray[np.bool_] = decoded.columns[IS_SNAPSHOT].values & good
        leading = self._leading(snapshot, good)
        self.leading = self.leading and not bool((good & ~snapshot).any())
        bounds = self._move(time, good & ~leading & (time != NO_TIME))
        time = np.where(time == NO_TIME, bounds, time)
        effective = np.where(leading, self._since(decoded, leading), np.maximum(time, bounds))
        self.limit.count(decoded.n, sorted(row.row for row in decoded.dead), topic, first_number)
        return Judged(
            self._batch(raw, decoded, place, np.flatnonzero(good), time, effective, snapshot),
            self.bound,
            decoded.n,
            dead=[dead_of(self.table.name, place, raw, row) for row in decoded.dead],
            filtered=decoded.n - int(good.sum()) - len(decoded.dead),
            counts={"late_changes": int((good & ~leading & (time < bounds)).sum())},
            offset=last_offset(raw),
        )

    def _times(self, decoded: Decoded) -> NDArray[np.int64]:
        """When each change happened: the table's ``time``, else what the change itself says."""
        times: NDArray[np.int64] = decoded.columns[TIME].values
        if self.table.time is None:
            return times
        column = decoded.columns[self.table.time]
        return np.where(column.is_valid(), column.values, times)

    def _times_of_tombstones(self, decoded: Decoded, time: NDArray[np.int64]) -> NDArray[np.int64]:
        """Times with those of tombstones, which carry none: that of the deletion just before, of which it is the second half.

        So a tombstone that comes again after the connector was restarted ends no newer row.
        """
        gone: NDArray[np.bool_] = decoded.columns[IS_DELETE].values
        before, bare = self.deleted, gone & (time == NO_TIME)
        if len(gone):
            last = np.where(gone & ~bare, time, NO_TIME)
            time = np.where(bare, np.concatenate([[before], last[:-1]]), time)
            self.deleted = int(last[-1])
        return time

    def _leading(self, snapshot: NDArray[np.bool_], good: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which rows belong to the run of snapshot rows at the partition's begin."""
        if not self.leading:
            return np.zeros(len(good), np.bool_)
        others = np.flatnonzero(good & ~snapshot)
        if not len(others):
            return snapshot
        leading = snapshot.copy()
        leading[others[0] :] = False
        return leading

    def _since(self, decoded: Decoded, leading: NDArray[np.bool_]) -> NDArray[np.int64]:
        """From when leading snapshot rows hold: ever, or ``valid_from``."""
        since = np.full(len(leading), BEFORE_ALL, np.int64)
        if self.table.valid_from is not None:
            column = decoded.columns[self.table.valid_from]
            known = leading & column.is_valid()
            since[known] = column.values[known]
        return since

    def _move(self, time: NDArray[np.int64], moves: NDArray[np.bool_]) -> NDArray[np.int64]:
        newest = np.maximum.accumulate(np.where(moves, time, BEFORE_ALL)) if len(time) else time
        newest = np.maximum(newest, self.newest)
        if len(newest):
            self.newest = int(newest[-1])
        bounds: NDArray[np.int64] = np.where(newest == BEFORE_ALL, BEFORE_ALL, newest - self.table.lateness)
        return np.maximum(bounds, self.announced)

    def _batch(
        self,
        raw: RawRows,
        decoded: Decoded,
        place: Located,
        rows: NDArray[np.int64],
        time: NDArray[np.int64],
        effective: NDArray[np.int64],
        snapshot: NDArray[np.bool_],
    ) -> Batch | None:
        if not len(rows):
            return None
        kind = np.where(decoded.columns[IS_DELETE].values, DELETE, np.where(snapshot, SNAPSHOT, UPSERT))
        if IS_TRUNCATION in decoded.columns:
            kind = np.where(decoded.columns[IS_TRUNCATION].values, TRUNCATION, kind)
        columns = {name: column for name, column in decoded.columns.items() if name not in MARKS}
        unchanged = decoded.columns[UNCHANGED].values if UNCHANGED in decoded.columns else np.zeros(decoded.n, np.int64)
        # A row that came without some of its values is never taken for one that came whole.
        whole = {**columns, UNCHANGED: Column(INT, unchanged)}
        columns[DIGEST] = Column(INT, digests(whole, decoded.n))
        columns[VERSION] = Column(TIMESTAMP, time)
        columns[CHANGE] = Column(INT, coded(kind.astype(np.int64), unchanged))
        partition = np.full(decoded.n, self.partition, np.int32)
        references = Rows([place], np.zeros(decoded.n, np.int32), np.arange(decoded.n))
        return Batch(self.source, effective, partition, raw.offset, columns, references).take(rows)
