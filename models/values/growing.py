"""A column that rows are appended to at amortised constant cost."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.values.column import DTYPES, Column
from models.values.strings import Strings
from models.values.types import Kind, Type


class GrowingColumn:
    """Appended values of one type; ``view`` shows them all without copying."""

    def __init__(self, type_: Type) -> None:
        self.type = type_
        self.size = 0
        self.is_string = type_.kind is Kind.STRING
        self.values = np.empty(0, np.int64 if self.is_string else DTYPES.get(type_.kind, np.int64))
        self.lengths = np.empty(0, np.int64)
        self.data = np.empty(0, np.uint8)
        self.used = 0
        self.valid = np.empty(0, np.bool_)

    def append(self, column: Column) -> None:
        """Add the rows of a column of the same type."""
        end = self.size + len(column)
        self.valid = _grown(self.valid, self.size, end)
        self.valid[self.size : end] = True if column.valid is None else column.valid
        self.values = _grown(self.values, self.size, end)
        if isinstance(column.values, Strings):
            self._append_strings(column.values.compact(), end)
        else:
            self.values[self.size : end] = column.values
        self.size = end

    def view(self) -> Column:
        """All values; valid until the next append."""
        valid = self.valid[: self.size]
        if not self.is_string:
            return Column(self.type, self.values[: self.size], valid)
        return Column(self.type, Strings(self.data[: self.used], self.values[: self.size], self.lengths[: self.size]), valid)

    def copy(self, row: int, other: int) -> None:
        """Give a row another row's value."""
        self.values[row], self.valid[row] = self.values[other], self.valid[other]
        if self.is_string:
            self.lengths[row] = self.lengths[other]

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Forget all rows but these, which become the first."""
        kept = self.view().take(rows)
        self.size = self.used = 0
        self.append(kept)

    def _append_strings(self, strings: Strings, end: int) -> None:
        self.lengths = _grown(self.lengths, self.size, end)
        self.data = _grown(self.data, self.used, self.used + len(strings.data))
        self.data[self.used : self.used + len(strings.data)] = strings.data
        self.values[self.size : end] = strings.start + self.used
        self.lengths[self.size : end] = strings.length
        self.used += len(strings.data)


def _grown(array: NDArray[Any], used: int, needed: int) -> NDArray[Any]:
    if needed <= len(array):
        return array
    larger = np.empty(max(needed, 2 * len(array), 256), array.dtype)
    larger[:used] = array[:used]
    return larger
