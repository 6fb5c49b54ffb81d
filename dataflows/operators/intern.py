"""Strings as numbers: equal strings have one number, compared by their bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.operators.canonical import hashes
from dataflows.operators.keys import KeyTable
from models.values.column import Column
from models.values.strings import Strings


class Interner:
    """Numbers for the strings of one column."""

    def __init__(self) -> None:
        self.table = KeyTable()

    def __len__(self) -> int:
        """How many strings have a number: all numbers are below it."""
        return self.table.used

    def numbers(self, column: Column) -> NDArray[np.int64]:
        """A number for each row; what stands at NULL has no meaning."""
        if column.valid is None:
            return self.table.slots(column.values, hashes(column.values))
        numbers = np.zeros(len(column), np.int64)
        rows = np.flatnonzero(column.valid)
        strings = column.values.take(rows)
        numbers[rows] = self.table.slots(strings, hashes(strings))
        return numbers

    def strings(self, numbers: NDArray[np.int64]) -> Strings:
        """The strings of numbers that were given."""
        if not len(self.table):
            zero = np.zeros(len(numbers), np.int64)
            return Strings(self.table.arena[:0], zero, zero)
        spans = self.table.spans[numbers]
        return Strings(self.table.arena[: self.table.bytes], spans[:, 0], spans[:, 1])

    def keep(self, live: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Forget the strings whose number is not live; the new number of each old one, int64[numbers], 0 where forgotten."""
        numbers = np.zeros(len(live), np.int64)
        kept = np.flatnonzero(live)
        strings = self.strings(kept)
        self.table = KeyTable()
        numbers[kept] = self.table.slots(strings, hashes(strings))
        return numbers

    def snapshot(self) -> dict[str, Any]:
        """All state as arrays."""
        return self.table.snapshot()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        self.table.restore(state)
