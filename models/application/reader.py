"""Reading sections: known keys, typed scalars, every problem with its place."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.application.durations import parse_duration
from models.application.errors import Problems
from models.application.keys import LATER, SECTIONS, known, not_in_this_version
from models.application.nodes import Node
from models.application.resolved.places import Position
from models.expressions.compile import ExpressionError, compile_expression, suggest
from models.expressions.expression import Expression
from models.expressions.facts import Facts
from models.expressions.scope import Constant, Scope
from models.values.types import Kind

LONGEST = 10_000 * 366 * 86_400_000_000
"""The longest duration in microseconds: all the years that a timestamp may be in."""
_NO_ARTICLE = ("evidence", "suppress", "batch", "limit", "flags", "respond", "llm", "human", "retention")
_HYPHENS = ("connection", "team", "endpoint")
_SHORT = ("param", "join", "connection")
"""Sections whose entries may be something else than a mapping."""
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_RESERVED = frozenset(
    """
    all analyse analyze and any array as asc asymmetric both case cast check collate column constraint
    create default deferrable desc describe distinct do else end except false fetch for foreign from grant group
    having in initially intersect into lambda lateral leading limit not null offset on only or order pivot pivot_longer
    pivot_wider placing
    primary qualify references returning select show some summarize symmetric table then to trailing true union
    unique unpivot using variadic when where window with
    """.split()  # noqa: SIM905 - a list of words reads best as text
)


def is_reserved(name: str) -> bool:
    """Whether a name is one of DuckDB's reserved words."""
    return name in _RESERVED


@dataclass(slots=True)
class Reader:
    """What all sections share: problems, parameters, facts, connections."""

    problems: Problems
    params: dict[str, Constant] = field(default_factory=dict)
    facts: Facts = field(default_factory=Facts)
    connections: dict[str, Node] = field(default_factory=dict)

    def section(self, node: Node, section: str, *, extra: tuple[str, ...] = ()) -> dict[str, Node]:
        """A mapping's values, unknown keys reported."""
        if not node.is_map:
            self.problems.add(node.position, f"expected {_article(section)}{section} as a mapping; found {node.shown()}")
            return {}
        keys = [*known(section), *extra]
        for name, position in node.keys.items():
            if name in keys:
                if _is_null(node.map[name]) and section != "application":
                    self.problems.add(position, f"expected a value of {name}; found nothing")
                continue
            if name in LATER.get(section, ()):
                self.problems.add(position, not_in_this_version(f"{name!r}"))
            else:
                self.problems.unknown(position, f"key of {_article(section)}{section}", name, keys)
        return {name: value for name, value in node.map.items() if name in keys and not _is_null(value)}

    def named(self, node: Node | None, section: str) -> list[tuple[str, Node]]:
        """The entries of a section of named things."""
        if node is None:
            return []
        if not node.is_map:
            self.problems.add(node.position, f"expected {section}s by name; found {node.shown()}")
            return []
        for name, position in node.keys.items():
            self.name(name, position, section, hyphens=section in _HYPHENS)
        if section in _SHORT:
            return list(node.map.items())
        for entry in node.map.values():
            if not entry.is_map:
                self.section(entry, section)
        return [(name, entry) for name, entry in node if entry.is_map]

    def incomplete(self, node: Node, section: str, message: str) -> None:
        """Note that something is missing, unless an unknown key, which is told already, may be what was meant."""
        if all(key in SECTIONS.get(section, ()) for key in node.map):
            self.problems.add(node.position, message)

    def name(self, name: str, position: Position, what: str, *, hyphens: bool = False) -> None:
        """Check a name's form; ``hyphens``: whether it may hold them."""
        if not _NAME.fullmatch(name.replace("-", "_") if hyphens else name):
            form = "a-z, 0-9, _ and -" if hyphens else "a-z, 0-9 and _"
            self.problems.add(
                position, f"expected {_article(what)}{what}'s name of {form} that begins with a letter; found {name!r}"
            )
        elif name in _RESERVED and not hyphens:
            self.problems.add(position, f"{name!r} is a reserved word of SQL; expected another name for the {what}")

    def path(self, node: Node, text: str) -> str:
        """A path as written in a file, relative to that file; variables of the environment have no place in it."""
        if "${" in text:
            self.problems.add(node.position, f"${{NAME}} works in connections only; found {text!r}; use --input or --with instead")
        return str(Path(node.position.file).parent.resolve() / text)

    def keys(self, node: Node, what: str, allowed: tuple[str, ...]) -> None:
        """Report keys that a small mapping does not have."""
        for name, position in node.keys.items():
            if name not in allowed:
                self.problems.unknown(position, f"key of {what}", name, allowed)

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
                node.position,
                f"expected {what} as {'one of ' * (len(choices) > 1)}{', '.join(choices)}; found {text!r}{suggest(text, choices)}",
            )
            return default
        return text

    def duration(self, node: Node | None, what: str, default: int | None = None, least: int = 0) -> int | None:
        """A duration in microseconds, at least ``least`` (0 or 1: more than nothing); $param allowed."""
        if node is None:
            return default
        text = self.text(node, what)
        if text.startswith("$"):
            constant = self._param(node, text[1:])
            found = int(constant.value) if constant is not None and constant.type.kind is Kind.INTERVAL else None
        else:
            constant, found = None, parse_duration(text)
        if text and (found is None or not least <= found <= LONGEST):
            if constant is not None or not text.startswith("$"):
                kind = f", a parameter of type {constant.type}" if constant is not None else ""
                more = " of more than 0s" if least and found == 0 else ""
                self.problems.add(
                    node.position, f"expected {what} as a duration{more} such as 30s, 10m or 1h30m; found {text!r}{kind}"
                )
            return default
        return found if text else default

    def _param(self, node: Node, name: str) -> Constant | None:
        """A parameter that stands in place of a number or duration."""
        if name not in self.params:
            self.problems.unknown(node.position, "parameter", name, self.params)
        return self.params.get(name)

    def integer(self, node: Node | None, what: str, default: int, least: int = 0, most: int | None = None) -> int:
        """A whole number."""
        return int(self._number(node, what, default, least, most, int))

    def number(self, node: Node | None, what: str, default: float) -> float:
        """A number."""
        return float(self._number(node, what, default, None, None, float))

    def _number(
        self, node: Node | None, what: str, default: Any, least: int | None, most: int | None, read: Callable[[str], Any]
    ) -> Any:
        if node is None:
            return default
        text = self.text(node, what)
        if text.startswith("$"):
            constant = self._param(node, text[1:])
            return default if constant is None else constant.value
        try:
            value = read(text)
        except ValueError:
            value = None
        if value is None or (least is not None and value < least) or (most is not None and value > most):
            bound = f" from {least} to {most}" if most is not None else f" of at least {least}" if least else ""
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
                odd = not node.quoted and (node.text.count("(") != node.text.count(")") or node.text.count("'") % 2)
                self.problems.add(node.place(problem.at), problem.message + ("; put the expression in quotes" if odd else ""))
            return None


def _article(word: str) -> str:
    return "" if word in _NO_ARTICLE else "an " if word[0] in "aeiou" else "a "


def _is_null(node: Node) -> bool:
    return node.kind == "scalar" and node.text is None
