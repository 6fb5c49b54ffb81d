"""What a condition reads: the event at hand, and the events that an attempt has taken before."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from dataflows.operators.sequences.matcher import Node
from models.application.stepscope import PREFIX, LookBack, look_back
from models.expressions.numbers import finite, fit_decimal
from models.values.types import INT, Kind, Type


class Taken(Protocol):
    """A taken event's stored values."""

    def value(self, field: str) -> Any:
        """A field's stored value, None for NULL."""


class Reader:
    """Reads look-back columns. arms: their names in order; types: of each (arm, field) that is read."""

    def __init__(self, arms: tuple[str, ...], types: Mapping[tuple[str, str], Type]) -> None:
        self.arms = arms
        self.types = types
        self.known: dict[str, Callable[[Node | None], Any]] = {}

    def read(self, column: str, node: Node | None) -> Any:
        """The stored value of a look-back column after the events of a node, None for NULL."""
        found = self.known.get(column)
        if found is None:
            found = self.known[column] = self._compile(look_back(column))
        return found(node)

    def _compile(self, back: LookBack) -> Callable[[Node | None], Any]:
        arms = frozenset(number for number, name in enumerate(self.arms) if name in back.arms)
        if back.function == "last":
            return lambda node: _nth(node, arms, back.field, back.n)
        if back.function == "count":
            return lambda node: len(_events(node, arms))
        if back.function == "first":
            return lambda node: events[0].value(back.field) if (events := _events(node, arms)) else None
        combine = _COMBINE[back.function]
        type_ = next(type_ for (arm, field), type_ in self.types.items() if arm in back.arms and field == back.field)
        return lambda node: combine([value for each in _events(node, arms) if (value := each.value(back.field)) is not None], type_)


class Environment:
    """A row's columns and an attempt's past, as the row evaluator reads them."""

    __slots__ = ("node", "reader", "row")

    def __init__(self, reader: Reader, row: Callable[[str], Any], node: Node | None) -> None:
        self.reader = reader
        self.row = row
        self.node = node

    def get(self, column: str) -> Any:
        """A column's stored value."""
        return self.reader.read(column, self.node) if column.startswith(PREFIX) else self.row(column)


def _events(node: Node | None, arms: frozenset[int]) -> list[Taken]:
    found = []
    while node is not None:
        if node.arm in arms:
            found.append(node.what)
        node = node.before
    found.reverse()
    return found


def _nth(node: Node | None, arms: frozenset[int], field: str, n: int) -> Any:
    while node is not None:
        if node.arm in arms:
            if n == 0:
                return node.what.value(field)
            n -= 1
        node = node.before
    return None


def _sum(values: list[Any], type_: Type) -> Any:
    """A sum, newest first: floats as a pair of doubles whose rest is carried along, others while 64 bits hold them."""
    if type_.kind is Kind.FLOAT:
        return finite(_float_sum(values))
    total = 0
    for value in reversed(values):
        total += value
        if not -(2**63) <= total < 2**63:
            return None
    return total if type_.kind is not Kind.DECIMAL else fit_decimal(total)


def _float_sum(values: list[float]) -> float:
    high = low = 0.0
    for value in reversed(values):
        total = high + value
        part = total - high
        low += (high - (total - part)) + (value - part)
        high = total
    return high + low


def _average(values: list[Any], type_: Type) -> float | None:
    if not values:
        return None
    total = _float_sum(values) if type_.kind is Kind.FLOAT else _sum(values, INT)
    if total is None or not math.isfinite(total):
        return None
    return float(total) / len(values) / (10.0**type_.scale if type_.kind is Kind.DECIMAL else 1.0)


_COMBINE: dict[str, Callable[[list[Any], Type], Any]] = {
    "sum": _sum,
    "avg": _average,
    "min": lambda values, _: min(values, default=None),
    "max": lambda values, _: max(values, default=None),
}
