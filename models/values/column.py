"""A typed column of values, and how it is cut, joined and read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.values.strings import Strings, concat_strings, strings_of
from models.values.types import Kind, Type, type_from, type_state

DTYPES: dict[Kind, type[Any]] = {Kind.BOOL: np.bool_, Kind.FLOAT: np.float64, Kind.LIST: object, Kind.NULL: np.bool_}
"""Array element of each kind; every kind not named here is int64, and strings are ``Strings``."""


@dataclass(frozen=True, slots=True)
class Column:
    """``n`` values of one type.

    values: array of the kind's dtype (see ``models.values.types``), or Strings; valid: bool[n], False where NULL, or None
    where every row has a value. What ``values`` holds at an invalid row has no meaning.
    """

    type: Type
    values: Any
    valid: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: NDArray[Any] | slice) -> Column:
        """The values at ``rows`` (integers or a boolean mask)."""
        values = self.values.take(rows) if isinstance(self.values, Strings) else self.values[rows]
        return Column(self.type, values, None if self.valid is None else self.valid[rows])

    def is_valid(self) -> NDArray[np.bool_]:
        """bool[n], always an array."""
        return np.ones(len(self), np.bool_) if self.valid is None else self.valid

    def dense(self) -> Column:
        """The same values, without a mask where every row has one: kernels and routing have less to do."""
        return Column(self.type, self.values) if self.valid is not None and self.valid.all() else self

    def at(self, row: int) -> Any:
        """One stored value, None where NULL."""
        if self.valid is not None and not self.valid[row]:
            return None
        if isinstance(self.values, Strings):
            return self.values.at(row)
        value = self.values[row]
        return value.item() if isinstance(value, np.generic) else value

    def to_list(self) -> list[Any]:
        """All stored values, None where NULL: for tests, output and rare paths."""
        return [self.at(row) for row in range(len(self))]


def column_state(column: Column) -> dict[str, Any]:
    """A column as arrays and plain values; strings with their bytes alone."""
    state: dict[str, Any] = {"type": type_state(column.type), "valid": None if column.valid is None else column.valid.copy()}
    if isinstance(column.values, Strings):
        strings = column.values.compact()
        return {**state, "data": strings.data, "length": strings.length.copy()}
    if column.type.kind is Kind.LIST:
        return {**state, "list": [None if value is None else list(value) for value in column.values]}
    return {**state, "values": column.values.copy()}


def column_from(state: Mapping[str, Any]) -> Column:
    """The column that ``column_state`` gave."""
    type_ = type_from(state["type"])
    if "data" in state:
        length = state["length"]
        return Column(type_, Strings(state["data"], np.cumsum(length, dtype=np.int64) - length, length), state["valid"])
    if "list" in state:
        values = np.empty(len(state["list"]), object)
        for row, value in enumerate(state["list"]):
            values[row] = None if value is None else tuple(value)
        return Column(type_, values, state["valid"])
    return Column(type_, state["values"], state["valid"])


def column_of(type_: Type, values: Iterable[Any]) -> Column:
    """A column from stored Python values, None for NULL."""
    items = list(values)
    missing = np.array([item is None for item in items], np.bool_)
    valid = ~missing if missing.any() else None
    if type_.kind is Kind.STRING:
        return Column(type_, strings_of(items), valid)
    dtype = DTYPES.get(type_.kind, np.int64)
    array = np.zeros(len(items), dtype) if dtype is not object else np.empty(len(items), object)
    for row, item in enumerate(items):
        if item is not None:
            array[row] = item
    return Column(type_, array, valid)


def nulls(type_: Type, n: int) -> Column:
    """``n`` NULLs of a type."""
    if type_.kind is Kind.STRING:
        zero = np.zeros(n, np.int64)
        return Column(type_, Strings(np.zeros(0, np.uint8), zero, zero), np.zeros(n, np.bool_))
    dtype = DTYPES.get(type_.kind, np.int64)
    values = np.empty(n, object) if dtype is object else np.zeros(n, dtype)
    return Column(type_, values, np.zeros(n, np.bool_))


def concat(parts: Sequence[Column]) -> Column:
    """All rows of ``parts`` (of one type, at least one part), one part after another."""
    if len(parts) == 1:
        return parts[0]
    if isinstance(parts[0].values, Strings):
        values: Any = concat_strings([part.values for part in parts])
    else:
        values = np.concatenate([part.values for part in parts])
    if all(part.valid is None for part in parts):
        return Column(parts[0].type, values)
    return Column(parts[0].type, values, np.concatenate([part.is_valid() for part in parts]))


def different(a: Column, b: Column) -> NDArray[np.bool_]:
    """bool[n]: whether values of one type differ; NULL equals NULL."""
    from models.values.kernels import spans_compare

    if isinstance(a.values, Strings):
        order = np.empty(len(a), np.int8)
        spans_compare(a.values.data, a.values.start, a.values.length, b.values.data, b.values.start, b.values.length, order)
        unequal: NDArray[np.bool_] = order != 0
    else:
        unequal = np.asarray(a.values != b.values, np.bool_)
    known, other = a.is_valid(), b.is_valid()
    answer: NDArray[np.bool_] = (known != other) | (known & other & unequal)
    return answer
