"""Many strings as spans of shared bytes: made without one Python object a string."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Strings:
    """``n`` UTF-8 strings: string i is ``data[start[i] : start[i] + length[i]]``.

    data: uint8[m]; start: int64[n]; length: int64[n]. Spans may overlap and stand in any order; an invalid (NULL) row has
    any span inside ``data``, best of length 0.
    """

    data: NDArray[np.uint8]
    start: NDArray[np.int64]
    length: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start)

    def take(self, rows: NDArray[Any] | slice) -> Strings:
        """The strings at ``rows`` (integers or a boolean mask); the bytes are shared, not copied."""
        return Strings(self.data, self.start[rows], self.length[rows])

    def __reduce__(self) -> tuple[Any, ...]:
        """Only the bytes of these strings travel between processes, not all of their block."""
        compact = self.compact()
        return Strings, (compact.data, compact.start, compact.length)

    def bytes_at(self, row: int) -> bytes:
        """The bytes of one string."""
        start = int(self.start[row])
        return self.data[start : start + int(self.length[row])].tobytes()

    def at(self, row: int) -> str:
        """One string."""
        return self.bytes_at(row).decode("utf-8")

    def to_list(self) -> list[str]:
        """All strings as Python objects: for tests, output and rare paths."""
        return [self.at(row) for row in range(len(self))]

    def compact(self) -> Strings:
        """The same strings with bytes of their own and no others, in order: before rows outlive their batch."""
        from models.values.kernels import gather_bytes

        total = int(self.length.sum())
        data = np.empty(total, np.uint8)
        start = np.empty(len(self), np.int64)
        gather_bytes(self.data, self.start, self.length, data, start)
        return Strings(data, start, self.length)


def strings_of(values: Iterable[str | None]) -> Strings:
    """Strings from Python text; None becomes an empty span."""
    parts = [(value or "").encode("utf-8") for value in values]
    length = np.array([len(part) for part in parts], np.int64)
    stop = np.cumsum(length, dtype=np.int64)
    return Strings(np.frombuffer(b"".join(parts), np.uint8), stop - length, length)


def concat_strings(parts: Sequence[Strings]) -> Strings:
    """All strings of ``parts``, one after another, with bytes of their own."""
    compact = [part.compact() for part in parts]
    shifts = np.cumsum([0] + [len(part.data) for part in compact[:-1]])
    return Strings(
        np.concatenate([part.data for part in compact]),
        np.concatenate([part.start + shift for part, shift in zip(compact, shifts, strict=True)]),
        np.concatenate([part.length for part in compact]),
    )
