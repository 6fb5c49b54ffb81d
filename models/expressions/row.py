"""Evaluates a tree for one row, with SQL's three-valued logic on stored values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from models.expressions.tree import Node

Values = Mapping[str, Any]
Evaluator = Callable[[Values], Any]


def compile_row(node: Node) -> Evaluator:
    """A function from a row's environment to the node's stored value, None for NULL."""
    if node.op == "literal":
        value = node.value
        return lambda _: value
    if node.op == "column":
        name = node.value
        return lambda values: values.get(name)
    args = [compile_row(arg) for arg in node.args]
    special = _SPECIAL.get(node.op)
    if special is not None:
        return special(args)
    function = node.function
    assert function is not None, node.op

    def call(values: Values) -> Any:
        found = [arg(values) for arg in args]
        return None if any(value is None for value in found) else function(*found)

    return call


def _and(args: list[Evaluator]) -> Evaluator:
    left, right = args

    def evaluate(values: Values) -> Any:
        a = left(values)
        if a is False:
            return False
        b = right(values)
        return False if b is False else None if a is None or b is None else True

    return evaluate


def _or(args: list[Evaluator]) -> Evaluator:
    left, right = args

    def evaluate(values: Values) -> Any:
        a = left(values)
        if a is True:
            return True
        b = right(values)
        return True if b is True else None if a is None or b is None else False

    return evaluate


def _case(args: list[Evaluator]) -> Evaluator:
    pairs, default = list(zip(args[:-1:2], args[1:-1:2], strict=True)), args[-1]

    def evaluate(values: Values) -> Any:
        for condition, result in pairs:
            if condition(values) is True:
                return result(values)
        return default(values)

    return evaluate


def _coalesce(args: list[Evaluator]) -> Evaluator:
    def evaluate(values: Values) -> Any:
        return next((found for arg in args if (found := arg(values)) is not None), None)

    return evaluate


def _extreme(choose: Callable[..., Any]) -> Callable[[list[Evaluator]], Evaluator]:
    def make(args: list[Evaluator]) -> Evaluator:
        def evaluate(values: Values) -> Any:
            found = [value for arg in args if (value := arg(values)) is not None]
            return choose(found) if found else None

        return evaluate

    return make


_SPECIAL: dict[str, Callable[[list[Evaluator]], Evaluator]] = {
    "and": _and,
    "or": _or,
    "case": _case,
    "coalesce": _coalesce,
    "greatest": _extreme(max),
    "least": _extreme(min),
    "is null": lambda args: lambda values: args[0](values) is None,
    "is distinct from": lambda args: lambda values: args[0](values) != args[1](values),
    "concat": lambda args: lambda values: "".join(v for arg in args if (v := arg(values)) is not None),
}
"""Operations that see NULLs themselves. Values of one comparison have one type, so Python's order is SQL's."""
