"""Strings as numbers: equal strings have one number, compared by their bytes."""

from __future__ import annotations

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
