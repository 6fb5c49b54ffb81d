"""What keeps a condition from being TRUE for one row: its leaves, with their values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from models.expressions.expression import COMPARISONS, Expression
from models.expressions.row import compile_row
from models.expressions.text import to_text
from models.expressions.tree import Node


@dataclass(frozen=True, slots=True)
class Blocker:
    """A leaf that is not as the condition needs it.

    expression: as written; shown: with values in the place of columns; value: what it is (None: unknown), and not what it should.
    """

    expression: str
    shown: str
    value: bool | None

    @property
    def words(self) -> str:
        """``180.00 > 200 is false``."""
        return f"{self.shown} is {said(self.value)}"


def said(value: bool | None) -> str:
    """A truth value in words; NULL is unknown."""
    return "unknown" if value is None else "true" if value else "false"


def blockers(condition: Expression, values: Mapping[str, Any]) -> list[Blocker]:
    """The leaves that keep a condition from being TRUE, in the order of its text; empty where it is TRUE."""
    return list(_blockers(condition.root, values, True))


def _blockers(node: Node, values: Mapping[str, Any], wanted: bool) -> Iterator[Blocker]:
    found = compile_row(node)(values)
    if found is wanted:
        return
    if node.op == "not":
        yield from _blockers(node.args[0], values, not wanted)
    elif node.op in ("and", "or"):
        for arg in node.args:
            yield from _blockers(arg, values, wanted)
    else:
        yield Blocker(" ".join(node.text.split()), _shown(node, values), found)


def _shown(node: Node, values: Mapping[str, Any]) -> str:
    if node.op in COMPARISONS or node.op == "is distinct from":
        left, right = node.args
        return f"{_side(left, values)} {node.op} {_side(right, values)}"
    if node.op == "is null":
        return f"{_side(node.args[0], values)} is null"
    columns = {part.value: part for part in node.walk() if part.op == "column"}
    known = ", ".join(f"{name} = {_text(part, values)}" for name, part in columns.items())
    text = " ".join(node.text.split())
    return f"{text} ({known})" if known and node.op != "column" else text


def _side(node: Node, values: Mapping[str, Any]) -> str:
    """A literal as it is written, else its value."""
    return " ".join(node.text.split()) if _written(node) else _text(node, values)


def _written(node: Node) -> bool:
    return node.op == "literal" and not node.text.startswith("$")


def _text(node: Node, values: Mapping[str, Any]) -> str:
    value = compile_row(node)(values)
    if value is None:
        return "null"
    text = to_text(node.type, value)
    return f"'{text}'" if node.type.kind.value == "string" else text
