"""Flags as columns: what conditions over flags are evaluated on, a batch at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.events.flagvalues import Getter, stored_value
from models.expressions.expression import Expression
from models.values.column import Column, column_of
from models.values.types import Type


class FlagColumns(Mapping[str, Column]):
    """Columns of a batch, made when they are read; ``names``: the types of all that may be."""

    def __init__(self, events: Sequence[Mapping[str, Any]], names: Mapping[str, tuple[Type, Getter]]) -> None:
        self.events = events
        self._names = names
        self._made: dict[str, Column] = {}

    def holds(self, condition: Expression) -> NDArray[np.bool_]:
        """bool[n]: for which flags a condition is TRUE."""
        found = condition.column(self, len(self.events))
        answer: NDArray[np.bool_] = np.asarray(found.values & found.is_valid(), np.bool_)
        return answer

    def take(self, rows: NDArray[np.int64]) -> FlagColumns:
        """The same of some flags."""
        if len(rows) == len(self.events):
            return self
        found = FlagColumns([self.events[row] for row in rows], self._names)
        found._made = {name: column.take(rows) for name, column in self._made.items()}
        return found

    def __getitem__(self, name: str) -> Column:
        if name not in self._made:
            type_, get = self._names[name]
            self._made[name] = column_of(type_, [get(event) for event in self.events])
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def names_of(conditions: Iterable[Expression]) -> dict[str, tuple[Type, Getter]]:
    """The names that conditions read, with their types and how they are read from a flag."""
    found: dict[str, tuple[Type, Getter]] = {}
    for condition in conditions:
        for node in condition.root.walk():
            if node.op == "column" and node.value not in found:
                found[node.value] = (node.type.required(), stored_value(node.value, node.type))
    return found
