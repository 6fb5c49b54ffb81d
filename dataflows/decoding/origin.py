"""Where a decoded row came from: its file or topic, and its number there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.decoding.decoded import Chunk


@dataclass(frozen=True, slots=True)
class Located:
    """Rows of a chunk with their place: ``topic`` (a file's base name), partition number, and int64[n] numbers in the topic."""

    chunk: Chunk
    topic: str
    partition: int
    numbers: NDArray[np.int64]

    def fields(self, row: int) -> dict[str, Any]:
        """All declared fields, as stored values."""
        return self.chunk.fields(row)

    def raw(self, row: int) -> bytes:
        """The row's original bytes."""
        return self.chunk.raw(row)

    def attributes(self, row: int) -> dict[str, str]:
        """What came with the row, and ``topic``, ``partition`` and ``offset``: its place."""
        place = {"topic": self.topic, "partition": str(self.partition), "offset": str(int(self.numbers[row]))}
        return {**self.chunk.attributes(row), **place}

    def take(self, rows: NDArray[np.int64]) -> Located:
        """Only these rows."""
        return Located(self.chunk.take(rows), self.topic, self.partition, self.numbers[rows])

    def snapshot(self) -> dict[str, Any]:
        """All rows as arrays and plain values."""
        place = {"topic": self.topic, "partition": self.partition, "numbers": self.numbers.copy()}
        return {"form": "located", "chunk": self.chunk.snapshot(), **place}
