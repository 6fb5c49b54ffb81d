"""What becomes of each decoded row of one partition: an event, a late event, a dead letter, a duplicate, or dropped.

The order is that of the language: ``where`` on the fields it reads, dead letters, the bound moves, late, ``dedup``. All of it
depends on the partition's content alone, never on how it was cut into batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dataflows.batches.batch import AFTER_ALL, BEFORE_ALL, Batch, Rows
from dataflows.decoding.decoded import IS_CHANGE, IS_SNAPSHOT, MARKS, DeadRow, Decoded, Headers, RawRows, Reason
from dataflows.decoding.origin import Located
from dataflows.reading.deadlimit import DeadLimit
from dataflows.reading.dedup import Dedup
from dataflows.reading.outliers import FAR
from models.application.resolved.sources import Stream


class Late(NamedTuple):
    """A late event: its place, its time and the bound it missed (microseconds), and its original bytes and headers."""

    stream: str
    reason: str
    topic: str
    partition: int
    offset: int
    time: int
    bound: int
    value: bytes | None
    key: bytes | None = None
    headers: Headers = ()


class Dead(NamedTuple):
    """A row that could not be read: its place, why, its original bytes and headers, and its timestamp (microseconds)."""

    stream: str
    reason: Reason
    detail: str
    topic: str
    partition: int
    offset: int
    value: bytes | None
    key: bytes | None = None
    headers: Headers = ()
    received: int | None = None


@dataclass(slots=True)
class Judged:
    """What one read of a partition gave.

    bound: microseconds, no event before it is still to come; offset: none at the bound is up to this one.
    """

    batch: Batch | None
    bound: int
    rows: int = 0
    late: Sequence[Late] = ()
    dead: Sequence[Dead] = ()
    filtered: int = 0
    duplicates: int = 0
    bytes: int = 0
    done: bool = False
    offset: int = AFTER_ALL
    counts: dict[str, int] = field(default_factory=dict)


def last_offset(raw: RawRows) -> int:
    """The last offset of a read; before all where it had no rows."""
    return int(raw.offset[-1]) if len(raw) else -1


class Judge:
    """The state of one partition of a stream. ``source`` and ``partition`` are its places in the plan's orders."""

    def __init__(self, stream: Stream, source: int, partition: int, max_dead: float = 0.05) -> None:
        self.stream = stream
        self.source = source
        self.partition = partition
        self.first = frozenset({stream.time} | (stream.where.reads if stream.where else frozenset()))
        self.newest = BEFORE_ALL
        self.announced = BEFORE_ALL
        self.joined = BEFORE_ALL
        self.dedup = Dedup(stream.dedup) if stream.dedup else None
        self.limit = DeadLimit(max_dead)

    @property
    def bound(self) -> int:
        """No event before this time is accepted any more (microseconds)."""
        return max(self.announced, BEFORE_ALL if self.newest == BEFORE_ALL else self.newest - self.stream.lateness)

    def announce(self, bound: int) -> None:
        """Accept no event before a time any more, whatever the partition holds: it has been silent too long."""
        self.announced = max(self.announced, bound)

    def join(self, bound: int) -> None:
        """Begin in a run that has come to a time already (microseconds): no event before it is accepted."""
        self.announce(bound)
        self.joined = bound

    def snapshot(self) -> dict[str, Any]:
        """What the partition's rows left behind, as arrays and plain values."""
        dedup = None if self.dedup is None else self.dedup.snapshot()
        bounds = {"newest": self.newest, "announced": self.announced, "joined": self.joined}
        return {**bounds, "dedup": dedup, "limit": self.limit.snapshot()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        self.newest, self.announced, self.joined = state["newest"], state["announced"], state["joined"]
        if self.dedup is not None:
            self.dedup.restore(state["dedup"])
        self.limit.restore(state["limit"])

    @property
    def max_ahead(self) -> int:
        """How far a time of a file may be ahead of those before it, where the rows behind do not follow (microseconds)."""
        return FAR if self.stream.max_ahead is None else self.stream.max_ahead

    @property
    def time_field(self) -> str:
        """The field with an event's time."""
        return self.stream.time

    def times(self, decoded: Decoded) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Times of rows (int64[n] microseconds), and which of them move the bound (bool[n])."""
        time: NDArray[np.int64] = decoded.columns[self.stream.time].values
        valid = decoded.columns[self.stream.time].is_valid().copy()
        valid[[row.row for row in decoded.dead]] = False
        skipped = self._no_events(decoded)
        return time, valid if skipped is None else valid & ~skipped

    def judge(self, raw: RawRows, decoded: Decoded, topic: str, first_number: int, partition_number: int = 0) -> Judged:
        """Judge the rows of one read, in order; ``first_number`` counts on from the first row unless records have offsets."""
        numbers = numbers_of(raw, first_number, decoded.n)
        place = Located(decoded.chunk, topic, partition_number, numbers)
        time: NDArray[np.int64] = decoded.columns[self.stream.time].values
        dead = {row.row: row for row in decoded.dead}
        dead.update(self._future(raw, time, dead))
        dropped = self._dropped(decoded, dead)
        for row in np.flatnonzero(dropped):
            dead.pop(int(row), None)
        good = np.ones(decoded.n, np.bool_)
        good[list(dead)] = False
        moves = self._time_is_valid(decoded, dropped, dead)
        skipped = self._no_events(decoded)
        if skipped is not None:
            good &= ~skipped
            moves &= ~skipped
        late = self._move(time, good, moves, bounds := np.empty(decoded.n, np.int64))
        kept = good & ~late & ~dropped
        late &= good & ~dropped
        duplicates = self._repeated(decoded, place, time, kept)
        self.limit.count(decoded.n, sorted(dead), topic, first_number)
        return Judged(
            self._batch(raw, decoded, time, place, kept),
            self.bound,
            decoded.n,
            [self._late(place, raw, int(row), int(time[row]), int(bounds[row])) for row in np.flatnonzero(late)],
            [self._dead(place, raw, row) for _, row in sorted(dead.items())],
            int((dropped if skipped is None else dropped | (skipped & ~_at(dead, decoded.n))).sum()),
            duplicates,
            offset=last_offset(raw),
        )

    def _future(self, raw: RawRows, time: NDArray[np.int64], dead: dict[int, DeadRow]) -> dict[int, DeadRow]:
        if self.stream.max_ahead is None or raw.timestamps is None:
            return {}
        ahead = np.flatnonzero(time > raw.timestamps + self.stream.max_ahead)
        detail = "its time is more than max_ahead after the record's timestamp"
        return {int(r): DeadRow(int(r), Reason.FUTURE_TIME, self.stream.time, detail) for r in ahead if int(r) not in dead}

    def _no_events(self, decoded: Decoded) -> NDArray[np.bool_] | None:
        """Records of a stream of changes that are no events: markers, tombstones, and a snapshot's rows unless included."""
        if IS_CHANGE not in decoded.columns:
            return None
        skipped: NDArray[np.bool_] = ~decoded.columns[IS_CHANGE].values
        return skipped if self.stream.snapshot else skipped | decoded.columns[IS_SNAPSHOT].values

    def _dropped(self, decoded: Decoded, dead: dict[int, DeadRow]) -> NDArray[np.bool_]:
        if self.stream.where is None:
            return np.zeros(decoded.n, np.bool_)
        column = self.stream.where.column(decoded.columns, decoded.n)
        dropped = ~(column.values & column.is_valid())
        unreadable = [row for row, found in dead.items() if found.field is None or found.field in self.first]
        dropped[unreadable] = False
        return np.asarray(dropped, np.bool_)

    def _time_is_valid(self, decoded: Decoded, dropped: NDArray[np.bool_], dead: dict[int, DeadRow]) -> NDArray[np.bool_]:
        moves = np.ones(decoded.n, np.bool_)
        moves[list(dead)] = False
        valid = decoded.columns[self.stream.time].valid
        return moves if valid is None else moves & valid

    def _move(
        self, time: NDArray[np.int64], good: NDArray[np.bool_], moves: NDArray[np.bool_], bounds: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Move the bound row by row; which rows are late, and the bound at each."""
        if not len(time):
            return np.zeros(0, np.bool_)
        newest = np.maximum.accumulate(np.where(moves, time, BEFORE_ALL))
        np.maximum(newest, self.newest, out=newest)
        self.newest = int(newest[-1])
        bounds[:] = np.maximum(self.announced, np.where(newest == BEFORE_ALL, BEFORE_ALL, newest - self.stream.lateness))
        return np.asarray(time < bounds, np.bool_)

    def _repeated(self, decoded: Decoded, place: Located, time: NDArray[np.int64], kept: NDArray[np.bool_]) -> int:
        """Take repeated ids out of ``kept``; how many there were."""
        if self.dedup is None:
            return 0
        before = int(kept.sum())
        for row in np.flatnonzero(kept).tolist():
            kept[row] = self.dedup.keep(self._id(decoded, place, row), int(time[row]))
        self.dedup.forget(self.bound)
        return before - int(kept.sum())

    def _id(self, decoded: Decoded, place: Located, row: int) -> Any:
        if self.stream.id and self.stream.id in decoded.columns:
            return decoded.columns[self.stream.id].at(row)
        attributes = place.attributes(row)
        return f"{attributes.get('source', '')}{attributes['id']}" if "id" in attributes else None

    def _batch(
        self, raw: RawRows, decoded: Decoded, time: NDArray[np.int64], place: Located, kept: NDArray[np.bool_]
    ) -> Batch | None:
        n = decoded.n
        if not kept.any():
            return None
        rows = Rows([place], np.zeros(n, np.int32), np.arange(n))
        columns = {name: column for name, column in decoded.columns.items() if name not in MARKS}
        partition = np.full(n, self.partition, np.int32)
        batch = Batch(self.source, time, partition, raw.offset, columns, rows)
        if kept.all():
            return batch
        batch = batch.take(np.flatnonzero(kept))
        return replace(batch, columns={name: column.dense() for name, column in batch.columns.items()})

    def _late(self, place: Located, raw: RawRows, row: int, time: int, bound: int) -> Late:
        reason = "new_partition" if time < self.joined else "idle" if time < self.announced else "lateness"
        place_ = (place.topic, place.partition, int(place.numbers[row]))
        return Late(self.stream.name, reason, *place_, time, bound, place.raw(row), raw.key(row), raw.headers_of(row))

    def _dead(self, place: Located, raw: RawRows, row: DeadRow) -> Dead:
        return dead_of(self.stream.name, place, raw, row)


def _at(rows: Iterable[int], n: int) -> NDArray[np.bool_]:
    mask = np.zeros(n, np.bool_)
    mask[list(rows)] = True
    return mask


def numbers_of(raw: RawRows, first: int, n: int) -> NDArray[np.int64]:
    """Each row's number in its topic or file: a record's offset, a line's number."""
    return np.arange(first, first + n) if raw.timestamps is None else raw.offset


def dead_of(name: str, place: Located, raw: RawRows, row: DeadRow) -> Dead:
    """The dead letter of a row of a stream or table."""
    at = row.row
    null = at < len(raw) and raw.is_null(at)
    return Dead(
        name, row.reason, row.detail, place.topic, place.partition, int(place.numbers[at]), None if null else place.raw(at),
        raw.key(at), raw.headers_of(at), raw.received(at),
    )  # fmt: skip
