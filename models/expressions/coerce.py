"""Bringing two operands to one type, and casts: as nodes, so that both evaluators do the same."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from models.expressions.numbers import DECIMAL_LIMIT, finite, fit_decimal, fit_int, rescale, round_half_away, round_half_even
from models.expressions.text import to_text
from models.expressions.times import parse_day, parse_moment
from models.expressions.tree import Node
from models.values.types import FLOAT, TIMESTAMP, Kind, Type, decimal

DAY = 86_400_000_000
_WORDS = {**dict.fromkeys(("true", "t", "yes", "y", "1"), True), **dict.fromkeys(("false", "f", "no", "n", "0"), False)}


def to_float(node: Node) -> Node:
    """A number as float."""
    if node.type.kind is Kind.FLOAT:
        return node
    power = 10**node.type.scale
    function: Callable[[Any], Any] = (lambda value: value / power) if node.type.kind is Kind.DECIMAL else float
    if node.op == "literal":
        return Node("literal", FLOAT, node.text, value=None if node.value is None else function(node.value))
    return Node("to float", FLOAT, node.text, (node,), value=node.type.scale, function=function)


def to_decimal(node: Node, scale: int) -> Node:
    """An int or decimal as decimal with at least its own scale."""
    if node.type.kind is Kind.DECIMAL and node.type.scale == scale:
        return node
    power = 10 ** (scale - node.type.scale)

    def function(value: int) -> int | None:
        return fit_decimal(value * power)

    if node.op == "literal":
        return Node("literal", decimal(18, scale), node.text, value=None if node.value is None else function(node.value))
    return Node("to decimal", decimal(18, scale), node.text, (node,), value=power, function=function)


def to_comparable(node: Node, scale: int) -> Node:
    """An int or decimal at a larger scale; what is too large for a decimal stays larger than every decimal."""
    if node.type.kind is Kind.DECIMAL and node.type.scale == scale:
        return node
    power = 10 ** (scale - node.type.scale)
    most = (DECIMAL_LIMIT - 1) // power + 1

    def function(value: int) -> int:
        return int(max(-most, min(most, value)) * power)

    if node.op == "literal":
        return Node("literal", decimal(18, scale), node.text, value=None if node.value is None else function(node.value))
    return Node("to comparable", decimal(18, scale), node.text, (node,), value=power, function=function)


def unified(a: Node, b: Node, *, comparing: bool) -> tuple[Node, Node] | None:
    """Both operands in one type, or None where they have none in common."""
    if a.type.kind is Kind.NULL or b.type.kind is Kind.NULL:
        kind = b.type if a.type.kind is Kind.NULL else a.type
        return _typed_null(a, kind), _typed_null(b, kind)
    if a.type.is_number and b.type.is_number:
        if Kind.FLOAT in (a.type.kind, b.type.kind):
            return to_float(a), to_float(b)
        if Kind.DECIMAL in (a.type.kind, b.type.kind):
            scale = max(a.type.scale, b.type.scale)
            convert = to_comparable if comparing else to_decimal
            return convert(a, scale), convert(b, scale)
        return a, b
    if comparing and {a.type.kind, b.type.kind} == {Kind.DATE, Kind.TIMESTAMP}:
        return to_timestamp(a), to_timestamp(b)
    if comparing and Kind.STRING in (a.type.kind, b.type.kind) and a.type.kind is not b.type.kind:
        return _moment_literals(a, b)
    return (a, b) if a.type.kind is b.type.kind else None


def to_timestamp(node: Node) -> Node:
    """A date as its midnight in UTC."""
    if node.type.kind is Kind.TIMESTAMP:
        return node
    return Node("to timestamp", TIMESTAMP, node.text, (node,), function=lambda days: fit_int(days * DAY))


def cast(node: Node, target: Type) -> Node | None:
    """``cast(node as target)``, or None where there is no such cast; NULL for a value that does not fit."""
    source = node.type.kind
    if source is target.kind and target.kind is not Kind.DECIMAL:
        return node
    function = _cast_function(node.type, target)
    if function is None:
        return None
    return Node("cast", target.required(), f"CAST({node.text} AS {target})", (node,), function=function)


def _typed_null(node: Node, type_: Type) -> Node:
    return Node("literal", type_.required(), node.text) if node.type.kind is Kind.NULL else node


def _moment_literals(a: Node, b: Node) -> tuple[Node, Node] | None:
    """A text literal beside a timestamp or date means that moment."""
    text, other = (a, b) if a.type.kind is Kind.STRING else (b, a)
    if text.op != "literal" or other.type.kind not in (Kind.TIMESTAMP, Kind.DATE):
        return None
    value = _guard(parse_moment)(text.value) if other.type.kind is Kind.TIMESTAMP else _guard(parse_day)(text.value)
    if value is None:
        return None
    moment = Node("literal", other.type.required(), text.text, value=value)
    return (moment, other) if text is a else (other, moment)


def _guard(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def call(value: Any) -> Any:
        try:
            return function(value)
        except (ValueError, OverflowError, InvalidOperation):
            return None

    return call


def _cast_function(source: Type, target: Type) -> Callable[[Any], Any] | None:
    match source.kind, target.kind:
        case (_, Kind.STRING):
            return lambda value: to_text(source, value)
        case (Kind.STRING, _):
            return _from_text(target)
        case (Kind.BOOL, Kind.INT) | (Kind.INT, Kind.BOOL):
            return int if target.kind is Kind.INT else bool
        case (Kind.INT, Kind.FLOAT):
            return float
        case (Kind.DECIMAL, Kind.FLOAT):
            return lambda value: value / 10**source.scale
        case (Kind.DECIMAL, Kind.INT):
            return lambda value: fit_int(rescale(value, source.scale))
        case (Kind.FLOAT, Kind.INT):
            return round_half_even
        case (Kind.INT | Kind.DECIMAL, Kind.DECIMAL):
            return lambda value: _fit(rescale(value, source.scale - target.scale), target)
        case (Kind.FLOAT, Kind.DECIMAL):
            return lambda value: _fit(_unscaled(value, target.scale), target)
        case (Kind.TIMESTAMP, Kind.DATE):
            return lambda value: value // DAY
        case (Kind.DATE, Kind.TIMESTAMP):
            return lambda value: fit_int(value * DAY)
    return None


def _from_text(target: Type) -> Callable[[Any], Any] | None:
    readers: dict[Kind, Callable[[str], Any]] = {
        Kind.INT: lambda text: fit_int(rescale_text(text, 0)),
        Kind.FLOAT: lambda text: finite(float(text)) if text.isascii() else None,
        Kind.DECIMAL: lambda text: _fit(rescale_text(text, target.scale), target),
        Kind.BOOL: lambda text: _WORDS.get(text.lower()),
        Kind.TIMESTAMP: parse_moment,
        Kind.DATE: parse_day,
    }
    reader = readers.get(target.kind)
    return None if reader is None else _guard(reader)


def rescale_text(text: str, scale: int) -> int:
    """A decimal number's text as an unscaled integer, halves away from zero."""
    if not text.isascii():
        raise ValueError(text)
    number = Decimal(text.strip())
    if not number.is_finite() or number.adjusted() > 40:
        raise ValueError(text)
    sign, digits, exponent = number.as_tuple()
    unscaled = rescale(int("".join(map(str, digits))), -int(exponent) - scale)
    return -unscaled if sign else unscaled


def _unscaled(value: float, scale: int) -> int | None:
    """A float as an unscaled decimal, halves away from zero: DuckDB rounds so here, and to even where the target is an int."""
    rounded = round_half_away(value * 10.0**scale, 0)
    return None if rounded is None or not math.isfinite(rounded) else int(rounded)


def _fit(value: int | None, target: Type) -> int | None:
    return value if value is not None and abs(value) < 10**target.precision else None
