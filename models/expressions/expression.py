"""A compiled expression: its type, what it reads, and how it is evaluated and explained."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from models.expressions.row import compile_row
from models.expressions.tree import Node
from models.values.types import BOOL, FLOAT, Type

if TYPE_CHECKING:  # checking a file needs no arrays, and NumPy takes a fifth of a second to import
    from models.values.column import Column

_Why = Callable[[Mapping[str, Any], bool], list["Reason"]]
"""From a row's values to the leaves that make a condition come out as it is wanted."""
COMPARISONS = frozenset({"=", "<>", "<", "<=", ">", ">="})


class Reason(NamedTuple):
    """A leaf of a condition that made it TRUE; value and threshold are stored values with their types."""

    expression: str
    value: Any
    value_type: Type
    operator: str
    threshold: Any
    threshold_type: Type
    holds: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """An expression's node with its stored value for one row."""

    text: str
    value: Any
    type: Type
    parts: tuple[Explanation, ...] = ()


@dataclass(frozen=True)
class Expression:
    """A typed expression. ``text`` is as written; ``reads`` names the columns of the environment that it needs."""

    text: str
    root: Node = field(compare=False)

    @property
    def type(self) -> Type:
        """What it gives."""
        return self.root.type

    @cached_property
    def reads(self) -> frozenset[str]:
        """The columns that it needs."""
        return frozenset(node.value for node in self.root.walk() if node.op == "column")

    @cached_property
    def canonical(self) -> str:
        """A text that is equal for equal trees."""
        return _canonical(self.root)

    @cached_property
    def _row(self) -> Callable[[Mapping[str, Any]], Any]:
        return compile_row(self.root)

    def row(self, values: Mapping[str, Any]) -> Any:
        """The stored value for one row's environment, None for NULL."""
        return self._row(values)

    def column(self, columns: Mapping[str, Column], n: int) -> Column:
        """The values for ``n`` rows; never fails for what is in the data."""
        from models.expressions.columnar import evaluate

        return evaluate(self.root, columns, n)

    def explain(self, values: Mapping[str, Any]) -> Explanation:
        """The tree with every node's value for one row."""
        return _explain(self.root, values)

    def reasons(self, values: Mapping[str, Any]) -> list[Reason]:
        """The leaves that made a condition TRUE."""
        return self._why(values, True)

    @cached_property
    def _why(self) -> _Why:
        return _reasons(self.root)


def constant(value: bool) -> Expression:
    """The condition that always, or never, holds."""
    text = "true" if value else "false"
    return Expression(text, Node("literal", BOOL, text, value=value))


def points(conditions: Mapping[str, tuple[Expression, float]]) -> Expression:
    """The sum of the points of all conditions that are TRUE (float)."""
    total = Node("literal", FLOAT, "0", value=0.0)
    for condition, count in conditions.values():
        zero = Node("literal", FLOAT, "0", value=0.0)
        worth = Node("literal", FLOAT, repr(count), value=float(count))
        case = Node("case", FLOAT, condition.text, (condition.root, worth, zero))
        total = Node("+", FLOAT, f"{total.text} + {case.text}", (total, case), function=operator.add)
    return Expression(total.text, total)


def _canonical(node: Node) -> str:
    if node.op in ("column", "literal"):
        return f"{node.op}:{node.type.required()}:{node.value!r}"
    extra = "" if node.value is None else f":{node.value!r}"
    return f"({node.op}{extra} {' '.join(_canonical(arg) for arg in node.args)})"


def _explain(node: Node, values: Mapping[str, Any]) -> Explanation:
    parts = tuple(_explain(arg, values) for arg in node.args if arg.op != "literal")
    return Explanation(node.text, compile_row(node)(values), node.type, parts)


def _reasons(node: Node) -> _Why:
    if node.op == "not":
        inner = _reasons(node.args[0])
        return lambda values, wanted: inner(values, not wanted)
    if node.op in ("and", "or"):
        parts = [(compile_row(arg), _reasons(arg)) for arg in node.args]
        return lambda values, wanted: [leaf for holds, why in parts if holds(values) is wanted for leaf in why(values, wanted)]
    holds, leaf = compile_row(node), _leaf(node)
    return lambda values, wanted: [leaf(values, wanted)] if holds(values) is wanted else []


def _leaf(node: Node) -> Callable[[Mapping[str, Any], bool], Reason]:
    value = compile_row(node.args[0] if node.args else node)
    value_type = node.args[0].type if node.args else node.type
    if node.op in COMPARISONS or node.op == "is distinct from":
        threshold, threshold_type = compile_row(node.args[1]), node.args[1].type
        return lambda values, wanted: Reason(
            node.text, value(values), value_type, node.op, threshold(values), threshold_type, wanted
        )
    return lambda values, wanted: Reason(node.text, value(values), value_type, node.op, None, BOOL, wanted)
