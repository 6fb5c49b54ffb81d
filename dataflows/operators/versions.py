"""A table's rows as of the order: because changes and reads come in the total order, one version a key is enough.

A read at t sees all changes that sort before it, and of those the one with the greatest version time; a change that was late
in its own partition enters at the bound of its position and takes its place only if no newer version is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from dataflows.batches.batch import BEFORE_ALL
from dataflows.operators.trace import NOT_TRACED, Trace
from models.values.column import Column, column_from, column_state, nulls
from models.values.growing import GrowingColumn
from models.values.types import Type

UPSERT, DELETE, SNAPSHOT, TRUNCATION = 0, 1, 2, 3
NO_ROW = -1
_SLACK = 65_536
_STATE = ("current", "version", "known", "digest", "origin", "truncated")
Changes = tuple[
    NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]
]
"""Changes in order: place in the chunk, slot (-1 for a truncation), version time, kind (see ``coded``), digest, partition."""


def coded(kind: NDArray[np.int64], unchanged: NDArray[np.int64]) -> NDArray[np.int64]:
    """A change's kind (UPSERT … TRUNCATION) and its fields that stay as they were (a bit for each, in the table's order)."""
    return kind | (unchanged << 2)


class Versions:
    """The current rows of one table on one shard; ``types`` are its columns that somebody reads.

    ``traced``: what each recent change replaced is known too.
    """

    def __init__(self, types: Mapping[str, Type], places: Mapping[str, int] | None = None, *, traced: bool = False) -> None:
        self.types = dict(types)
        self.trace = Trace() if traced else None
        self.places = places or {name: place for place, name in enumerate(types)}
        self.columns = {name: GrowingColumn(type_) for name, type_ in types.items()}
        self.rows = 0
        self.enough = _SLACK
        self.current = np.full(1024, NO_ROW, np.int64)
        self.version = np.full(1024, BEFORE_ALL, np.int64)
        self.known = np.zeros(1024, np.bool_)
        self.digest = np.zeros(1024, np.int64)
        self.origin = np.zeros(1024, np.int32)
        self.truncated = np.full(1, BEFORE_ALL, np.int64)

    def apply(
        self,
        changes: Changes,
        columns: Mapping[str, Column],
        reads: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
        records: NDArray[np.int64] | None = None,
    ) -> list[NDArray[np.int64]]:
        """Walk changes and reads in order.

        changes: see ``Changes``, each [m]; columns: the changed rows, in the same order; reads: (place, slot) of each reader,
        slot -1 where its key is null; records: the place of each change's record, or NOT_TRACED. Returns for each reader int64
        references for ``read``.
        """
        at, slot, version, code, digest, partition = changes
        kind = (code & 3).astype(np.int8)
        highest = max([int(slots.max()) for slots in (slot, *(r[1] for r in reads)) if len(slots)], default=-1)
        self._reserve(highest + 1)
        base = self.rows
        if len(at):
            for name, column in self.columns.items():
                column.append(columns[name])
            self.rows += len(at)
        prior = np.full(len(at), NO_ROW, np.int64)
        if len(reads) == 1:
            found = [
                _walk(at, slot, version, kind, digest, partition, base, *reads[0], *self._state(), prior),
            ]
        else:
            found = self._walk_all((at, slot, version, kind, digest, partition), base, reads, prior)
        for row in np.flatnonzero(code >> 2).tolist():
            self._keep(base + row, int(prior[row]), int(code[row]) >> 2)
        if self.trace is not None and records is not None:
            traced = np.flatnonzero(records != NOT_TRACED)
            self.trace.add(records[traced], base + traced, prior[traced], version[traced])
        return found

    def _keep(self, row: int, prior: int, unchanged: int) -> None:
        """Take values that a change did not carry from the row before it."""
        for name, column in self.columns.items():
            if prior >= 0 and unchanged >> self.places[name] & 1:
                column.copy(row, prior)

    def read(self, name: str, references: NDArray[np.int64]) -> Column:
        """A column at the references that ``apply`` gave; NULL where there was no row."""
        whole = self.columns[name].view()
        missing = references < 0
        if not len(whole):
            return nulls(self.types[name], len(references))
        column = whole.take(np.where(missing, 0, references))
        assert column.valid is not None
        return Column(column.type, column.values, column.valid & ~missing)

    def compact(self) -> None:
        """Forget rows that are nobody's current version, once they are the most."""
        if self.rows < self.enough:
            return
        used = self.current >= 0
        live = np.unique(np.concatenate([self.current[used], *([] if self.trace is None else [self.trace.rows()])]))
        if self.rows > 2 * len(live) + _SLACK:
            for column in self.columns.values():
                column.keep(live)
            self.current[used] = np.searchsorted(live, self.current[used])
            if self.trace is not None:
                self.trace.renumber(live)
            self.rows = len(live)
        # Looking again costs as much as there are slots: so many rows must have come before.
        self.enough = self.rows + max(len(self.current) // 4, _SLACK)

    def snapshot(self) -> dict[str, Any]:
        """All state as arrays and plain values."""
        columns = {name: column_state(column.view()) for name, column in self.columns.items()}
        state = {name: getattr(self, name).copy() for name in _STATE}
        return {"columns": columns, "rows": self.rows, **state, "trace": None if self.trace is None else self.trace.snapshot()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        for name, type_ in self.types.items():
            self.columns[name] = GrowingColumn(type_)
            self.columns[name].append(column_from(state["columns"][name]))
        for name in _STATE:
            setattr(self, name, state[name].copy())
        if self.trace is not None and state["trace"] is not None:
            self.trace.restore(state["trace"])
        self.rows = self.enough = state["rows"]

    def evictable(self, slots: NDArray[np.int64], bound: int) -> NDArray[np.bool_]:
        """Whether a table has never had a row under each slot: a deletion too decides on later changes; bool[m]."""
        found = np.ones(len(slots), np.bool_)
        inside = slots < len(self.known)
        found[inside] = ~self.known[slots[inside]]
        return found

    def evict(self, slots: NDArray[np.int64]) -> None:
        """Make slots as if they had never been used."""
        slots = slots[slots < len(self.known)]
        self.current[slots], self.version[slots], self.known[slots] = NO_ROW, BEFORE_ALL, False

    def _walk_all(
        self,
        changes: tuple[NDArray[Any], ...],
        base: int,
        reads: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
        prior: NDArray[np.int64],
    ) -> list[NDArray[np.int64]]:
        place = np.concatenate([read[0] for read in reads]) if reads else np.zeros(0, np.int64)
        slots = np.concatenate([read[1] for read in reads]) if reads else np.zeros(0, np.int64)
        order = np.argsort(place, kind="stable")
        found = np.empty(len(place), np.int64)
        found[order] = _walk(*changes, base, place[order], slots[order], *self._state(), prior)
        return np.split(found, np.cumsum([len(read[0]) for read in reads])[:-1]) if reads else []

    def _reserve(self, slots: int) -> None:
        size = len(self.current)
        if slots <= size:
            return
        more = max(slots, 2 * size) - size
        self.current = np.concatenate([self.current, np.full(more, NO_ROW, np.int64)])
        self.version = np.concatenate([self.version, np.full(more, BEFORE_ALL, np.int64)])
        self.known = np.concatenate([self.known, np.zeros(more, np.bool_)])
        self.digest = np.concatenate([self.digest, np.zeros(more, np.int64)])
        self.origin = np.concatenate([self.origin, np.zeros(more, np.int32)])

    def _state(self) -> tuple[NDArray[Any], ...]:
        return self.current, self.version, self.known, self.digest, self.origin, self.truncated


@nb.njit(cache=True, nogil=True)
def _walk(  # type: ignore[no-untyped-def]
    at, slot, version, kind, row_digest, partition, base, read_at, read_slot,
    current, newest, known, digest, origin, truncated, prior,
):  # fmt: skip
    found = np.empty(read_at.shape[0], np.int64)
    c = 0
    for r in range(read_at.shape[0] + 1):
        limit = read_at[r] if r < read_at.shape[0] else np.iinfo(np.int64).max
        while c < at.shape[0] and at[c] < limit:
            s = slot[c]
            time = version[c]
            if kind[c] == 3:
                _truncate(time, partition[c], current, newest, known, origin, truncated)
                c += 1
                continue
            if s >= 0 and not known[s] and truncated[0] != np.iinfo(np.int64).min:
                current[s], newest[s], known[s] = -1, truncated[0], True
            if kind[c] == 2 and not known[s]:
                time = np.iinfo(np.int64).min
            if s >= 0:
                prior[c] = current[s]
            # A row that a snapshot reads again is no new version.
            again = kind[c] == 2 and s >= 0 and known[s] and current[s] >= 0 and digest[s] == row_digest[c]
            if s >= 0 and not again and (not known[s] or time >= newest[s]):
                current[s] = -1 if kind[c] == 1 else base + c
                newest[s] = time
                digest[s] = row_digest[c]
                origin[s] = partition[c]
                known[s] = True
            c += 1
        if r < read_at.shape[0]:
            s = read_slot[r]
            found[r] = current[s] if s >= 0 else -1
    return found


@nb.njit(cache=True, nogil=True)
def _truncate(time, partition, current, newest, known, origin, truncated):  # type: ignore[no-untyped-def]
    """End every row before a time; at that very time only those of its own partition, whose order is known."""
    for s in range(current.shape[0]):
        if known[s] and (newest[s] < time or (newest[s] == time and origin[s] == partition)):
            current[s], newest[s] = -1, time
    truncated[0] = max(truncated[0], time)
