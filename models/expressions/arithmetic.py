"""``+ - * / %``, negation and comparison as typed nodes."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from models.expressions.coerce import to_float, to_timestamp, unified
from models.expressions.numbers import divide, finite, fit_decimal, fit_int, float_remainder, remainder
from models.expressions.tree import Node
from models.values.types import BOOL, FLOAT, INT, INTERVAL, NULL, TIMESTAMP, Kind, Type, decimal

_PLAIN: dict[str, Callable[[Any, Any], Any]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq, "<>": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def compare(op: str, a: Node, b: Node) -> Node | None:
    """A comparison, or None where the types cannot be compared."""
    both = unified(a, b, comparing=True)
    if both is None:
        return None
    return Node(op, BOOL, f"{a.text} {op} {b.text}", both, function=_COMPARE[op])


def distinct(a: Node, b: Node, *, negated: bool) -> Node | None:
    """``is distinct from``, or with ``negated`` ``is not distinct from``."""
    both = unified(a, b, comparing=True)
    if both is None:
        return None
    node = Node("is distinct from", BOOL, f"{a.text} IS DISTINCT FROM {b.text}", both)
    if not negated:
        return node
    return Node("not", BOOL, f"{a.text} IS NOT DISTINCT FROM {b.text}", (node,), function=operator.not_)


def combine(op: str, a: Node, b: Node) -> Node | None:
    """Arithmetic, or None where it is not defined for the types."""
    text = f"{a.text} {op} {b.text}"
    if (found := _times(op, a, b, text)) is not None:
        return found
    if not all(node.type.is_number or node.type.kind is Kind.NULL for node in (a, b)):
        return None
    if Kind.NULL in (a.type.kind, b.type.kind):
        return Node("literal", NULL, text)
    if op == "/":
        return Node("/", FLOAT, text, (to_float(a), to_float(b)), function=divide)
    if op == "*" and Kind.DECIMAL in (a.type.kind, b.type.kind) and Kind.FLOAT not in (a.type.kind, b.type.kind):
        return _multiplied(a, b, text)
    if Kind.DECIMAL in (a.type.kind, b.type.kind) and Kind.FLOAT not in (a.type.kind, b.type.kind):
        return _decimals(op, a, b, text)
    both = unified(a, b, comparing=False)
    assert both is not None
    return Node(op, _result(both[0].type), text, both, function=_function(op, both[0].type.kind))


def negate(a: Node) -> Node | None:
    """``-a``."""
    if a.op == "literal" and a.type.is_number and a.value is not None:
        return Node("literal", a.type, f"-{a.text}", value=-a.value)
    if a.type.kind is Kind.INTERVAL:
        return Node("-", INTERVAL, f"-{a.text}", (Node("literal", INTERVAL, "0", value=0), a), function=_function("-", Kind.INT))
    zero = Node("literal", INT, "0", value=0)
    found = combine("-", zero, a) if a.type.is_number else None
    return None if found is None else Node(found.op, found.type, f"-{a.text}", found.args, found.value, found.function)


def _result(type_: Type) -> Type:
    return decimal(18, type_.scale) if type_.kind is Kind.DECIMAL else type_.required()


def _function(op: str, kind: Kind) -> Callable[[Any, Any], Any]:
    if op == "%":
        return float_remainder if kind is Kind.FLOAT else remainder
    plain = _PLAIN[op]
    fit: Callable[[Any], Any] = {Kind.FLOAT: finite, Kind.DECIMAL: fit_decimal}.get(kind, fit_int)
    if kind is Kind.FLOAT:
        return lambda a, b: finite(plain(a, b))
    return lambda a, b: fit(plain(a, b))


def _decimals(op: str, a: Node, b: Node, text: str) -> Node:
    """Sum, difference or remainder of exact numbers: ``value`` holds what brings each to the result's scale."""
    scale = max(a.type.scale, b.type.scale)
    x, y = 10 ** (scale - a.type.scale), 10 ** (scale - b.type.scale)
    plain = _PLAIN.get(op, remainder)

    def function(left: int, right: int) -> int | None:
        found = plain(left * x, right * y)
        return None if found is None else fit_decimal(found)

    return Node(op, decimal(18, scale), text, (a, b), value=(x, y), function=function)


def _multiplied(a: Node, b: Node, text: str) -> Node | None:
    scale = a.type.scale + b.type.scale
    if scale > 18:
        return Node("literal", NULL, text)
    return Node("*", decimal(18, scale), text, (a, b), function=lambda x, y: fit_decimal(x * y))


def _times(op: str, a: Node, b: Node, text: str) -> Node | None:
    """Moments and spans: t - t, t ± i, i ± i, i * n."""
    kinds = (a.type.kind, b.type.kind)
    moments = (Kind.TIMESTAMP, Kind.DATE)
    function = _function(op, Kind.INT) if op in _PLAIN else None
    if op == "-" and all(kind in moments for kind in kinds):
        return Node("-", INTERVAL, text, (to_timestamp(a), to_timestamp(b)), function=function)
    if op in "+-" and kinds[0] in moments and kinds[1] is Kind.INTERVAL:
        return Node(op, TIMESTAMP, text, (to_timestamp(a), b), function=function)
    if op == "+" and kinds[0] is Kind.INTERVAL and kinds[1] in moments:
        return Node(op, TIMESTAMP, text, (a, to_timestamp(b)), function=function)
    if op in "+-" and kinds == (Kind.INTERVAL, Kind.INTERVAL):
        return Node(op, INTERVAL, text, (a, b), function=function)
    if op == "*" and set(kinds) == {Kind.INTERVAL, Kind.INT}:
        return Node(op, INTERVAL, text, (a, b), function=function)
    return None
