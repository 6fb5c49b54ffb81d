"""Reading sections: known keys, typed scalars, every problem with its place."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.application.durations import parse_duration
from models.application.errors import Problems
from models.application.keys import LATER, known, not_in_this_version, only_sequences
from models.application.nodes import Node
from models.application.resolved import Position
from models.expressions.compile import ExpressionError, compile_expression, suggest
from models.expressions.expression import Expression
from models.expressions.facts import Facts
from models.expressions.scope import Constant, Scope
from models.values.types import Kind

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_RESERVED = frozenset(
    """
    all analyse analyze and any array as asc asc_p asymmetric both case cast check collate column constraint
    create default deferrable desc describe distinct do else end except false fetch for foreign from grant group
    having in initially intersect into lambda lateral leading limit not null offset on only or order pivot placing
    primary qualify references returning select show some summarize symmetric table then to trailing true union
    unique unpivot using variadic when where window with
    """.split()  # noqa: SIM905 - a list of words reads best as text
)


@dataclass(slots=True)
class Reader:
    """What all sections share: problems, parameters, facts, the file's folder."""

    problems: Problems
    folder: Path
    params: dict[str, Constant] = field(default_factory=dict)
    facts: Facts = field(default_factory=Facts)
    environment: dict[str, str] = field(default_factory=dict)

    def section(self, node: Node, section: str, *, extra: tuple[str, ...] = ()) -> dict[str, Node]:
        """A mapping's values, unknown keys reported."""
        if not node.is_map:
            self.problems.add(node.position, f"expected {section} as a mapping; found {node.shown()}")
            return {}
        keys = [*known(section), *extra]
        for name, position in node.keys.items():
            if name in keys or (section == "pattern" and only_sequences(name)):
                continue
            if name in LATER.get(section, ()):
                self.problems.add(position, not_in_this_version(f"{name!r}"))
            else:
                self.problems.unknown(position, f"key of a {section}", name, keys)
        return {name: value for name, value in node.map.items() if name in keys and not _is_null(value)}

    def named(self, node: Node | None, section: str) -> list[tuple[str, Node]]:
        """The entries of a section of named things."""
        if node is None:
            return []
        if not node.is_map:
            self.problems.add(node.position, f"expected {section}s by name; found {node.shown()}")
            return []
        for name, position in node.keys.items():
            self.name(name, position, section)
        return list(node.map.items())

    def name(self, name: str, position: Position, what: str) -> None:
        """Check a name's form."""
        if not _NAME.fullmatch(name):
            self.problems.add(position, f"expected a {what}'s name of a-z, 0-9 and _ that begins with a letter; found {name!r}")
        elif name in _RESERVED:
            self.problems.add(position, f"{name!r} is a reserved word of SQL; expected another name for the {what}")

    def text(self, node: Node | None, what: str, default: str = "") -> str:
        """A text."""
        if node is None:
            return default
        if node.kind != "scalar" or node.text is None:
            self.problems.add(node.position, f"expected {what} as text; found {node.shown()}")
            return default
        return node.text

    def choice(self, node: Node | None, what: str, choices: tuple[str, ...], default: str) -> str:
        """One of several words."""
        text = self.text(node, what, default)
        if text not in choices and node is not None:
            self.problems.add(
                node.position, f"expected {what} as one of {', '.join(choices)}; found {text!r}{suggest(text, choices)}"
            )
            return default
        return text

    def duration(self, node: Node | None, what: str, default: int | None = None) -> int | None:
        """A duration in microseconds; $param allowed."""
        if node is None:
            return default
        text = self.text(node, what)
        if text.startswith("$") and text[1:] in self.params and self.params[text[1:]].type.kind is Kind.INTERVAL:
            return int(self.params[text[1:]].value)
        found = parse_duration(text)
        if found is None or (found < 0):
            self.problems.add(node.position, f"expected {what} as a duration such as 30s, 10m or 1h30m; found {text!r}")
            return default
        return found

    def integer(self, node: Node | None, what: str, default: int, least: int = 0) -> int:
        """A whole number."""
        return int(self._number(node, what, default, least, int))

    def number(self, node: Node | None, what: str, default: float) -> float:
        """A number."""
        return float(self._number(node, what, default, None, float))

    def _number(self, node: Node | None, what: str, default: Any, least: int | None, read: Callable[[str], Any]) -> Any:
        if node is None:
            return default
        text = self.text(node, what)
        if text.startswith("$") and text[1:] in self.params:
            return self.params[text[1:]].value
        try:
            value = read(text)
        except ValueError:
            value = None
        if value is None or (least is not None and value < least):
            bound = f" of at least {least}" if least else ""
            self.problems.add(node.position, f"expected {what} as a number{bound}; found {text!r}")
            return default
        return value

    def boolean(self, node: Node | None, what: str) -> bool:
        """True or false."""
        return self.choice(node, what, ("true", "false"), "false") == "true"

    def names(self, node: Node | None, what: str) -> tuple[str, ...]:
        """One name or a list of names."""
        if node is None:
            return ()
        if node.kind == "list":
            return tuple(self.text(item, what) for item in node.items)
        return (self.text(node, what),)

    def expression(self, node: Node, scope: Scope, expect: Kind | None = None) -> Expression | None:
        """A compiled expression, its problems at their places in the file."""
        if node.kind != "scalar" or node.text is None:
            self.problems.add(node.position, f"expected an expression; found {node.shown()}; put the expression in quotes")
            return None
        try:
            return compile_expression(node.text, scope, self.facts, expect)
        except ExpressionError as error:
            for problem in error.problems:
                place = Position(node.position.file, node.position.line, node.position.column + problem.at + node.quoted)
                hint = "" if node.text.count("(") == node.text.count(")") else "; put the expression in quotes"
                self.problems.add(place, problem.message + hint)
            return None


def _is_null(node: Node) -> bool:
    return node.kind == "scalar" and node.text is None
