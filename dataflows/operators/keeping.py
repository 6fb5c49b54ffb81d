"""What machines over hits share: the rows in hand, and those kept for later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from dataflows.batches.batch import Batch, concat_batches
from dataflows.batches.held import ChunkOf
from dataflows.operators.store import EventStore
from models.events.hit import Hit
from models.values.column import Column


class Keeping:
    """A store of kept rows with the columns ``names``, and the rows in hand; depth: how many numbers extend their order."""

    def __init__(self, depth: int, names: Iterable[str], chunk_of: ChunkOf) -> None:
        self.names = sorted(names)
        self.store = EventStore(depth, chunk_of)
        self.hand: tuple[Batch, Mapping[str, Column]] | None = None
        self.pending: dict[int, int] = {}
        self.pending_rows: list[int] = []

    def place(self, event: int) -> tuple[Batch, Mapping[str, Column], int]:
        """Where an event is: a kept one by its position, a row in hand by -1 - row."""
        if event >= self.store.size:
            event = -1 - self.pending_rows[event - self.store.size]
        if event < 0:
            assert self.hand is not None
            return *self.hand, -1 - event
        view = self.store.view()
        return view, view.columns, event

    def keep(self, row: int) -> int:
        """Keep a row of the batch in hand; its position."""
        if row not in self.pending:
            self.pending[row] = self.store.size + len(self.pending_rows)
            self.pending_rows.append(row)
        return self.pending[row]

    def sources(self, hits: Sequence[Hit]) -> Batch:
        """The rows that hits take their fields from (not empty), in the hits' order, before ``settle``."""
        rows = np.array([hit.row for hit in hits], np.int64)
        kept = np.array([hit.at if hit.row < 0 else -1 for hit in hits], np.int64)
        parts = []
        if (rows >= 0).any():
            assert self.hand is not None
            columns = {name: self.hand[1][name] for name in self.names}
            parts.append(replace(self.hand[0], columns=columns).take(rows[rows >= 0]))
        if (rows < 0).any():
            parts.append(self.store.view().take(kept[rows < 0]))
        return concat_batches(parts).take(np.argsort(np.argsort(rows < 0, kind="stable")))

    def flush(self) -> None:
        """Keep the rows that bursts asked for."""
        if self.pending_rows:
            assert self.hand is not None
            self.store.append(*self.hand, np.array(self.pending_rows, np.int64), self.names)
            self.pending, self.pending_rows = {}, []
