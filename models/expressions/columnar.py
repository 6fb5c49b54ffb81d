"""Evaluates a tree for many rows at once; the same results as ``models.expressions.row``, by whole columns.

Comparison, arithmetic and logic are NumPy with masks of what is not NULL. Every other function is the row function, called once
for each distinct row of arguments where they are few, so that both evaluators agree by construction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.expressions.numbers import DECIMAL_LIMIT
from models.expressions.tree import Node
from models.values.column import Column, column_of, nulls
from models.values.strings import Strings, strings_of
from models.values.types import BOOL, Kind

Mask = NDArray[np.bool_] | None
_COMPARE = {"=": np.equal, "<>": np.not_equal, "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}
_ARITHMETIC = {"+": np.add, "-": np.subtract, "*": np.multiply}
_MOST = 2**62
"""What two scaled numbers may be at most for their sum to fit 64 bits."""


def evaluate(node: Node, columns: Mapping[str, Column], n: int) -> Column:
    """The node's values for ``n`` rows."""
    with np.errstate(all="ignore"):
        return _evaluate(node, columns, n)


def _evaluate(node: Node, columns: Mapping[str, Column], n: int) -> Column:
    if node.op == "column":
        return columns[node.value]
    if node.op == "literal":
        return _literal(node, n)
    if node.op in ("and", "or"):
        return _connective(node, columns, n)
    if any(arg.op == "literal" and arg.value is None for arg in node.args) and node.op not in _SEES_NULL:
        return nulls(node.type, n)
    if node.op in _COMPARE:
        return _comparison(node, columns, n)
    special = _SPECIAL.get(node.op)
    if special is not None:
        return special(node, columns, n)
    if node.op in _ARITHMETIC and node.type.kind is not Kind.NULL:
        return _arithmetic(node, columns, n)
    return _by_row(node, columns, n)


def _literal(node: Node, n: int) -> Column:
    if node.value is None:
        return nulls(node.type, n)
    if node.type.kind is Kind.STRING:
        one = strings_of([node.value])
        zero = np.zeros(n, np.int64)
        return Column(node.type, Strings(one.data, zero, zero + one.length[0]))
    return Column(node.type, np.broadcast_to(column_of(node.type, [node.value]).values, (n,)))


def _both(a: Mask, b: Mask) -> Mask:
    return b if a is None else a if b is None else a & b


def _operand(node: Node, columns: Mapping[str, Column], n: int) -> tuple[Any, Mask]:
    """Values and mask; a literal stays one number."""
    if node.op == "literal" and node.type.kind is not Kind.STRING:
        return node.value, None
    column = _evaluate(node, columns, n)
    return column.values, column.valid


def _comparison(node: Node, columns: Mapping[str, Column], n: int) -> Column:
    left, right = node.args
    if left.type.kind is Kind.STRING:
        return _compare_strings(node, columns, n)
    (a, valid_a), (b, valid_b) = _operand(left, columns, n), _operand(right, columns, n)
    values = _COMPARE[node.op](a, b)
    if values.shape != (n,):
        values = np.full(n, bool(values))
    return Column(BOOL, values, _both(valid_a, valid_b))


def _compare_strings(node: Node, columns: Mapping[str, Column], n: int) -> Column:
    from models.values.kernels import spans_compare, spans_equal

    left, right = node.args
    if node.op in ("=", "<>") and "literal" in (left.op, right.op):
        literal, other = (left, right) if left.op == "literal" else (right, left)
        column = _evaluate(other, columns, n)
        same = np.empty(n, np.bool_)
        wanted = np.frombuffer(literal.value.encode(), np.uint8)
        spans_equal(column.values.data, column.values.start, column.values.length, wanted, same)
        return Column(BOOL, same if node.op == "=" else ~same, column.valid)
    a, b = _evaluate(left, columns, n), _evaluate(right, columns, n)
    order = np.empty(n, np.int8)
    x, y = a.values, b.values
    spans_compare(x.data, x.start, x.length, y.data, y.start, y.length, order)
    return Column(BOOL, _COMPARE[node.op](order, 0), _both(a.valid, b.valid))


def _connective(node: Node, columns: Mapping[str, Column], n: int) -> Column:
    a, b = (_evaluate(arg, columns, n) for arg in node.args)
    if a.type.kind is Kind.NULL or b.type.kind is Kind.NULL:
        a, b = (Column(BOOL, np.zeros(n, np.bool_), np.zeros(n, np.bool_)) if c.type.kind is Kind.NULL else c for c in (a, b))
    if a.valid is None and b.valid is None:
        return Column(BOOL, a.values & b.values if node.op == "and" else a.values | b.values)
    known_a, known_b = a.is_valid(), b.is_valid()
    deciding = node.op == "or"
    decided = (known_a & (a.values == deciding)) | (known_b & (b.values == deciding))
    values = decided if deciding else ~decided
    return Column(BOOL, values, decided | (known_a & known_b))


def _not(node: Node, columns: Mapping[str, Column], n: int) -> Column:
    column = _evaluate(node.args[0], columns, n)
    return Column(BOOL, ~column.values, column.valid)


def _is_null(node: Node, columns: Mapping[str, Column], n: int) -> Column:
    column = _evaluate(node.args[0], columns, n)
    return Column(BOOL, np.zeros(n, np.bool_) if column.valid is None else ~column.valid)


def _is_distinct(node: Node, columns: Mapping[str, Column], n: int) -> Column:
    a, b = (_evaluate(arg, columns, n).is_valid() for arg in node.args)
    unequal = Node("<>", BOOL, "", node.args)
    differs = _comparison(unequal, columns, n).values
    return Column(BOOL, (a != b) | (a & b & differs))


def _arithmetic(node: Node, columns: Mapping[str, Column], n: int) -> Column:
    (a, valid_a), (b, valid_b) = (_operand(arg, columns, n) for arg in node.args)
    if node.value is not None:
        if any(np.any((found > _MOST // power) | (found < -_MOST // power)) for found, power in zip((a, b), node.value)):
            return _by_row(node, columns, n)
        a, b = a * node.value[0], b * node.value[1]
    valid = _both(valid_a, valid_b)
    values = np.broadcast_to(np.asarray(_ARITHMETIC[node.op](a, b)), (n,))
    if node.type.kind is Kind.FLOAT:
        bad = ~np.isfinite(values)
    else:
        bad = _overflows(node.op, np.asarray(a, np.int64), np.asarray(b, np.int64), values)
        if node.type.kind is Kind.DECIMAL:
            bad = bad | (values >= DECIMAL_LIMIT) | (values <= -DECIMAL_LIMIT)
    return Column(node.type, values, _both(valid, ~bad) if bad.any() else valid)


def _overflows(op: str, a: NDArray[np.int64], b: NDArray[np.int64], result: NDArray[np.int64]) -> NDArray[np.bool_]:
    if op == "+":
        return np.asarray(((a ^ result) & (b ^ result)) < 0)
    if op == "-":
        return np.asarray(((a ^ b) & (a ^ result)) < 0)
    # A product's size as floats is off by less than the gap between 2^63 and the bound; what lies between is checked exactly.
    size = np.abs(a.astype(np.float64) * b.astype(np.float64))
    near = np.broadcast_to(size > 9.2e18, result.shape)
    bad = np.zeros(result.shape, np.bool_)
    for row in np.flatnonzero(near):
        exact = int(np.broadcast_to(a, result.shape)[row]) * int(np.broadcast_to(b, result.shape)[row])
        bad[row] = not -(2**63) <= exact < 2**63
    return bad


def _divide(node: Node, columns: Mapping[str, Column], n: int) -> Column:
    (a, valid_a), (b, valid_b) = (_operand(arg, columns, n) for arg in node.args)
    values = np.broadcast_to(np.asarray(np.true_divide(a, b)), (n,))
    bad = ~np.isfinite(values)
    valid = _both(valid_a, valid_b)
    return Column(node.type, values, _both(valid, ~bad) if bad.any() else valid)


def _to_float(node: Node, columns: Mapping[str, Column], n: int) -> Column:
    column = _evaluate(node.args[0], columns, n)
    values = column.values.astype(np.float64)
    exact = np.abs(column.values) < 2**53
    if node.value and not exact.all():
        return _by_row(node, columns, n)
    return Column(node.type, values / 10.0**node.value if node.value else values, column.valid)


def _to_decimal(node: Node, columns: Mapping[str, Column], n: int) -> Column:
    column = _evaluate(node.args[0], columns, n)
    limit = (DECIMAL_LIMIT - 1) // node.value
    bad = (column.values > limit) | (column.values < -limit)
    return Column(node.type, column.values * node.value, _both(column.valid, ~bad) if bad.any() else column.valid)


def _to_comparable(node: Node, columns: Mapping[str, Column], n: int) -> Column:
    column = _evaluate(node.args[0], columns, n)
    most = (DECIMAL_LIMIT - 1) // node.value + 1
    return Column(node.type, np.clip(column.values, -most, most) * node.value, column.valid)


def _seconds(node: Node, columns: Mapping[str, Column], n: int) -> Column:
    column = _evaluate(node.args[0], columns, n)
    return Column(node.type, column.values / 1_000_000, column.valid)


def _by_row(node: Node, columns: Mapping[str, Column], n: int) -> Column:
    """The row function, once for each distinct row of arguments."""
    function = node.function
    assert function is not None
    arguments = [_evaluate(arg, columns, n) for arg in node.args]
    known: dict[tuple[Any, ...], Any] = {}
    found = []
    for args, key in zip(zip(*(column.to_list() for column in arguments)), zip(*map(_told_apart, arguments)), strict=True):
        if key not in known:
            known[key] = None if any(arg is None for arg in args) else function(*args)
        found.append(known[key])
    return column_of(node.type, found)


def _told_apart(column: Column) -> list[Any]:
    """Values of which only the same are equal: 0.0 and -0.0 are not."""
    if column.type.kind is not Kind.FLOAT:
        return column.to_list()
    bits: list[int | None] = column.values.view(np.int64).tolist()
    return bits if column.valid is None else [bit if valid else None for bit, valid in zip(bits, column.valid.tolist())]


def _lazily(node: Node, columns: Mapping[str, Column], n: int) -> Column:
    """Operations that see NULLs, through the row evaluator on values of their arguments."""
    from models.expressions.row import compile_row

    names = [f"\0{i}" for i in range(len(node.args))]
    stand_ins = tuple(Node("column", arg.type, "", value=name) for arg, name in zip(node.args, names, strict=True))
    run = compile_row(Node(node.op, node.type, node.text, stand_ins, node.value, node.function))
    lists = [_evaluate(arg, columns, n).to_list() for arg in node.args]
    return column_of(node.type, [run(dict(zip(names, args, strict=True))) for args in zip(*lists, strict=True)])


def _case(node: Node, columns: Mapping[str, Column], n: int) -> Column:
    if node.type.kind in (Kind.STRING, Kind.LIST, Kind.NULL):
        return _lazily(node, columns, n)
    last = _evaluate(node.args[-1], columns, n)
    values, valid = np.array(last.values), last.is_valid().copy()
    pairs = list(zip(node.args[:-1:2], node.args[1:-1:2], strict=True))
    for condition, result in reversed(pairs):
        held = _evaluate(condition, columns, n)
        true = held.values & held.is_valid() if held.type.kind is Kind.BOOL else np.zeros(n, np.bool_)
        chosen = _evaluate(result, columns, n)
        values = np.where(true, chosen.values, values)
        valid = np.where(true, chosen.is_valid(), valid)
    return Column(node.type, values, None if valid.all() else valid)


_SPECIAL: dict[str, Callable[[Node, Mapping[str, Column], int], Column]] = {
    "not": _not,
    "is null": _is_null,
    "is distinct from": _is_distinct,
    "/": _divide,
    "to float": _to_float,
    "to decimal": _to_decimal,
    "to comparable": _to_comparable,
    "seconds": _seconds,
    "case": _case,
    "coalesce": _lazily,
    "greatest": _lazily,
    "least": _lazily,
    "concat": _lazily,
}
_SEES_NULL = frozenset({"is null", "is distinct from", "case", "coalesce", "greatest", "least", "concat"})
