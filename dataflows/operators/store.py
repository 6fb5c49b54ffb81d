"""Events that a pattern may still need: typed columns and references to their rows, no object an event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.batches.batch import Batch, Rows
from dataflows.batches.held import ChunkOf, batch_from, batch_state
from models.values.column import Column
from models.values.growing import GrowingColumn

_TIME, _PARTITION, _OFFSET, _WHICH, _ROW, _EXTENSION = range(6)
NEXT, NTH = range(2)
"""Columns of ``links``: the position of the event after this one in its chain, and its number among its key's events."""


class EventStore:
    """Kept events by position, 0 to ``size`` - 1 in the order of keeping; ``sweep`` forgets and moves them.

    links: int64[capacity, 2], for whoever chains events; depth: how many numbers extend their order; chunk_of: for ``restore``.
    """

    def __init__(self, depth: int, chunk_of: ChunkOf) -> None:
        self.chunk_of = chunk_of
        self.size = 0
        self.live = 0
        self.source = 0
        self.numbers = np.zeros((0, _EXTENSION + depth), np.int64)
        self.links = np.zeros((0, 2), np.int64)
        self.chunks: list[Any] = []
        self.columns: dict[str, GrowingColumn] = {}
        self._view: Batch | None = None

    def reserve(self, rows: int) -> None:
        """Make room for so many more."""
        needed = self.size + rows
        if needed > len(self.numbers):
            larger = max(needed, 2 * len(self.numbers), 256)
            for name in ("numbers", "links"):
                old = getattr(self, name)
                new = np.zeros((larger, old.shape[1]), np.int64)
                new[: self.size] = old[: self.size]
                setattr(self, name, new)

    def append(self, batch: Batch, columns: Mapping[str, Column], rows: NDArray[np.int64], names: Sequence[str]) -> None:
        """Keep rows of a batch, with the named columns."""
        if not len(rows):
            return
        self.reserve(len(rows))
        self.source = batch.source
        whole = self.numbers[self.size : self.size + len(rows)]
        whole[:, _TIME], whole[:, _PARTITION] = batch.time[rows], batch.partition[rows]
        whole[:, _OFFSET] = batch.offset[rows]
        if batch.order is not None:
            whole[:, _EXTENSION:] = batch.order[rows]
        self._refer(batch.rows.take(rows).compact(), whole)
        for name in names:
            if name not in self.columns:
                self.columns[name] = GrowingColumn(columns[name].type)
            self.columns[name].append(columns[name].take(rows))
        self.size += len(rows)
        self._view = None

    def view(self) -> Batch:
        """All kept events as a batch, until the next change."""
        if self._view is None:
            whole = self.numbers[: self.size]
            rows = Rows(self.chunks, whole[:, _WHICH].astype(np.int32), whole[:, _ROW])
            self._view = Batch(self.source, whole[:, _TIME], whole[:, _PARTITION].astype(np.int32), whole[:, _OFFSET],
                               {name: column.view() for name, column in self.columns.items()}, rows,
                               whole[:, _EXTENSION:] if whole.shape[1] > _EXTENSION else None)  # fmt: skip
        return self._view

    def order(self, position: int) -> tuple[int, ...]:
        """An event's place in the total order."""
        row = self.numbers[position].tolist()
        return (*row[:_WHICH], *row[_EXTENSION:])

    @property
    def crowded(self) -> bool:
        """Whether a sweep would pay for itself."""
        return self.size > 1024 + 2 * self.live

    def sweep(self, live: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Forget all but the ``live`` (bool[size]); int64[size], where each has moved to."""
        kept = np.flatnonzero(live)
        moved = np.full(self.size, -1, np.int64)
        moved[kept] = np.arange(len(kept))
        numbers, links = self.numbers[kept], self.links[kept]
        links[:, NEXT] = np.where(links[:, NEXT] >= 0, moved[links[:, NEXT]], -1)
        rows = Rows(self.chunks, numbers[:, _WHICH].astype(np.int32), numbers[:, _ROW]).compact()
        self.chunks = []
        self._refer(rows, numbers)
        self.numbers, self.links, self.size, self.live = numbers, links, len(kept), len(kept)
        for column in self.columns.values():
            column.keep(kept)
        self._view = None
        return moved

    def snapshot(self) -> dict[str, Any]:
        """All kept events as arrays and plain values."""
        return {"events": batch_state(self.view()), "links": self.links[: self.size].copy()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        batch = batch_from(state["events"], self.chunk_of)
        self.size, self.chunks, self.columns = 0, [], {}
        self.append(batch, batch.columns, np.arange(len(batch)), list(batch.columns))
        self.links[: self.size] = state["links"]
        self.live = self.size

    def _refer(self, rows: Rows, numbers: NDArray[np.int64]) -> None:
        numbers[:, _WHICH], numbers[:, _ROW] = rows.which + len(self.chunks), rows.row
        self.chunks.extend(rows.chunks)
