"""The typed tree of an expression."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from models.values.types import Type

RowFunction = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Node:
    """One operation.

    op: its name (``column``, ``literal``, ``and``, ``>``, ``lower`` …); text: as SQL; value: a literal's stored value or a
    column's name; function: for calls, a function of stored values that are not NULL, giving a stored value or None.
    """

    op: str
    type: Type
    text: str
    args: tuple[Node, ...] = ()
    value: Any = None
    function: RowFunction | None = None

    def walk(self) -> Iterator[Node]:
        """This node and all below it."""
        yield self
        for arg in self.args:
            yield from arg.walk()
