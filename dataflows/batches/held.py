"""Batches that wait, as arrays and plain values and back: rows keep their original bytes, and with them all that was in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.batches.batch import Batch, Rows
from dataflows.decoding.decoded import Chunk
from models.values.column import column_from, column_state

ChunkOf = Callable[[Mapping[str, Any], int], Chunk]
"""The chunk whose snapshot this is, of the source with this index over all."""


@dataclass(frozen=True, slots=True)
class PlainChunk:
    """Rows as plain values: ``fields`` (stored values), ``raw`` (bytes) and ``attributes`` of each."""

    rows: Sequence[Mapping[str, Any]]

    def fields(self, row: int) -> dict[str, Any]:
        """All declared fields, as stored values."""
        return dict(self.rows[row]["fields"])

    def raw(self, row: int) -> bytes:
        """The row's original bytes."""
        raw: bytes = self.rows[row]["raw"]
        return raw

    def attributes(self, row: int) -> dict[str, str]:
        """What came with the row."""
        return dict(self.rows[row]["attributes"])

    def take(self, rows: NDArray[np.int64]) -> PlainChunk:
        """Only these rows."""
        return PlainChunk([self.rows[int(row)] for row in rows])

    def snapshot(self) -> dict[str, Any]:
        """All rows as plain values."""
        return {"form": "plain", "rows": [dict(row) for row in self.rows]}


def plain_rows(chunk: Chunk, n: int) -> dict[str, Any]:
    """The snapshot of a chunk of ``n`` rows that has nothing shorter than its values."""
    rows = [{"fields": chunk.fields(row), "raw": chunk.raw(row), "attributes": chunk.attributes(row)} for row in range(n)]
    return PlainChunk(rows).snapshot()


def batch_state(batch: Batch) -> dict[str, Any]:
    """A batch as arrays and plain values."""
    chunks, which, row = batch.rows.__getstate__()
    return {
        "source": batch.source,
        "time": batch.time.copy(),
        "partition": batch.partition.copy(),
        "offset": batch.offset.copy(),
        "columns": {name: column_state(column) for name, column in batch.columns.items()},
        "chunks": [chunk.snapshot() for chunk in chunks],
        "which": which,
        "row": row,
        "order": None if batch.order is None else batch.order.copy(),
    }


def batch_from(state: Mapping[str, Any], chunk_of: ChunkOf) -> Batch:
    """The batch that ``batch_state`` gave."""
    chunks = [chunk_of(chunk, state["source"]) for chunk in state["chunks"]]
    rows = Rows(chunks, state["which"], state["row"])
    columns = {name: column_from(column) for name, column in state["columns"].items()}
    return Batch(state["source"], state["time"], state["partition"], state["offset"], columns, rows, state["order"])
