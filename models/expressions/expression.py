"""A compiled expression: its type, what it reads, and how it is evaluated and explained."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from models.expressions.row import compile_row
from models.expressions.tree import Node
from models.values.types import BOOL, FLOAT, Type

if TYPE_CHECKING:  # checking a file needs no arrays, and NumPy takes a fifth of a second to import
    from models.values.column import Column

COMPARISONS = frozenset({"=", "<>", "<", "<=", ">", ">="})


@dataclass(frozen=True, slots=True)
class Reason:
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
        return list(_reasons(self.root, values, True))


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


def _reasons(node: Node, values: Mapping[str, Any], wanted: bool) -> Iterator[Reason]:
    """Leaves whose value is what makes ``node`` come out as ``wanted``."""
    if node.op == "not":
        yield from _reasons(node.args[0], values, not wanted)
    elif node.op in ("and", "or"):
        for arg in node.args:
            if compile_row(arg)(values) is wanted:
                yield from _reasons(arg, values, wanted)
    elif compile_row(node)(values) is wanted:
        yield _leaf(node, values, wanted)


def _leaf(node: Node, values: Mapping[str, Any], wanted: bool) -> Reason:
    if node.op in COMPARISONS or node.op == "is distinct from":
        left, right = node.args
        value, threshold = compile_row(left)(values), compile_row(right)(values)
        return Reason(node.text, value, left.type, node.op, threshold, right.type, wanted)
    value = compile_row(node.args[0])(values) if node.args else compile_row(node)(values)
    type_ = node.args[0].type if node.args else node.type
    return Reason(node.text, value, type_, node.op, None, BOOL, wanted)
