"""What flows between operators: batches of typed rows, and bounds in the total order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dataflows.decoding.decoded import Chunk
from models.values.column import Column, concat

BEFORE_ALL = np.iinfo(np.int64).min
"""A time before every event's."""
AFTER_ALL = np.iinfo(np.int64).max
"""A time after every event's."""


class Bound(NamedTuple):
    """A place in the total order: nothing that sorts at or before (time, partition, offset) is still to come.

    time: microseconds; partition: index over all partitions in order (tables first, then streams in the file's order); offset:
    the last one of that partition that is known, since more of its events of this time may follow.
    """

    time: int
    partition: int
    offset: int = AFTER_ALL


OPEN = Bound(BEFORE_ALL, -1)
CLOSED = Bound(AFTER_ALL, 1 << 30)


@dataclass(frozen=True, slots=True)
class Rows:
    """References to decoded rows: chunk ``chunks[which[i]]``, row ``row[i]``."""

    chunks: Sequence[Chunk]
    which: NDArray[np.int32]
    row: NDArray[np.int64]

    def take(self, rows: NDArray[Any] | slice) -> Rows:
        """The references at ``rows``."""
        return Rows(self.chunks, self.which[rows], self.row[rows])

    def fields(self, i: int) -> dict[str, Any]:
        """All declared fields of row i."""
        return self.chunks[int(self.which[i])].fields(int(self.row[i]))

    def attributes(self, i: int) -> dict[str, str]:
        """The attributes that came with row i."""
        return self.chunks[int(self.which[i])].attributes(int(self.row[i]))

    def compact(self) -> Rows:
        """The same rows without the others of their chunks: before they outlive their batch."""
        return Rows(*self.__getstate__())

    def __getstate__(self) -> tuple[Any, ...]:
        if len(self.chunks) == 1:
            return [self.chunks[0].take(self.row)], np.zeros(len(self.row), np.int32), np.arange(len(self.row))
        used, which = np.unique(self.which, return_inverse=True)
        row = np.empty(len(self.row), np.int64)
        chunks = []
        for new, old in enumerate(used):
            here = np.flatnonzero(which == new)
            chunks.append(self.chunks[old].take(self.row[here]))
            row[here] = np.arange(len(here))
        return chunks, which.astype(np.int32), row

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        for name, value in zip(("chunks", "which", "row"), state, strict=True):
            object.__setattr__(self, name, value)


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one stream or table in any order.

    source: index over tables and streams (tables first); time: int64[n] microseconds; partition: int32[n], index over all
    partitions, -1 for rows that a deadline raised; offset: int64[n]; columns: all that somebody reads, by name; rows: the way
    back to everything else; order: int64[n, k], what follows (time, partition, offset) in the order of derived rows, padded
    with -1 (None: nothing).
    """

    source: int
    time: NDArray[np.int64]
    partition: NDArray[np.int32]
    offset: NDArray[np.int64]
    columns: Mapping[str, Column]
    rows: Rows
    order: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.time)

    def take(self, rows: NDArray[Any] | slice) -> Batch:
        """The rows at ``rows`` (integers, a boolean mask, or a slice, which copies nothing)."""
        return Batch(
            self.source,
            self.time[rows],
            self.partition[rows],
            self.offset[rows],
            {name: column.take(rows) for name, column in self.columns.items()},
            self.rows.take(rows),
            None if self.order is None else self.order[rows],
        )

    def with_columns(self, columns: Mapping[str, Column]) -> Batch:
        """The same rows with more columns."""
        return replace(self, columns={**self.columns, **columns})

    def without(self, name: str) -> Batch:
        """The same rows without a column."""
        return replace(self, columns={other: column for other, column in self.columns.items() if other != name})


def concat_batches(parts: Sequence[Batch]) -> Batch:
    """All rows of batches of one source (at least one), one batch after another."""
    if len(parts) == 1:
        return parts[0]
    chunks: list[Chunk] = []
    which = []
    for part in parts:
        which.append(part.rows.which + len(chunks))
        chunks.extend(part.rows.chunks)
    return Batch(
        parts[0].source,
        np.concatenate([part.time for part in parts]),
        np.concatenate([part.partition for part in parts]),
        np.concatenate([part.offset for part in parts]),
        {name: concat([part.columns[name] for part in parts]) for name in parts[0].columns},
        Rows(chunks, np.concatenate(which).astype(np.int32), np.concatenate([part.rows.row for part in parts])),
        None if parts[0].order is None else np.concatenate([part.order for part in parts if part.order is not None]),
    )
