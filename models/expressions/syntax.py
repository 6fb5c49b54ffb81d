"""What is wrong with a text that is no expression, in plain words and at its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

_NO = "not an SQL expression:"
_QUOTES = ("'", '"')


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and where in the text (from 0)."""

    message: str
    at: int = 0


def syntax_problem(text: str, found: Mapping[str, Any]) -> Problem:
    """What the parser found (empty: it could not even cut the text into words); it counts lines and the columns of a word's end."""
    if not text.strip():
        return Problem("expected an expression; found nothing")
    if "description" not in found:
        return _cut(text)
    near = found.get("highlight") or ""
    before = "".join(line for line in text.splitlines(keepends=True)[: found.get("line", 1) - 1])
    at = len(before) + max(found.get("col", 1) - max(len(near), 1), 0)
    return Problem(f"{_NO} {_words(found['description'], near)}", at)


def _cut(text: str) -> Problem:
    for quote in _QUOTES:
        if text.count(quote) % 2:
            return Problem(f"{_NO} a quote is missing", text.find(quote))
    odd = re.search(r"""\$(?!\w)|[^\w\s'".,()+*/%<>=$-]""", text)
    return Problem(f"{_NO} unexpected {odd[0]!r}", odd.start()) if odd else Problem(f"{_NO} it cannot be read")


def _words(said: str, near: str) -> str:
    """The parser's description in the language's own words."""
    if said.startswith("Required keyword"):
        return f"something is missing after {near!r}" if near else "something is missing"
    if said.startswith("Invalid expression / Unexpected token"):
        return f"unexpected {near!r}" if near else "something is unexpected"
    if missing := re.fullmatch(r"Expecting (\S+)", said):
        return f"{missing[1]!r} is missing" + (f" after {near!r}" if near else "")
    if said.startswith("Expected TYPE"):
        return "a type is missing in cast(VALUE as TYPE)"
    if "number of provided arguments" in said:
        return "too many arguments" + (f" before {near!r}" if near else "")
    return (said[:1].lower() + said[1:] if _plain(said) else "it cannot be read") + (f" near {near!r}" if near else "")


def _plain(said: str) -> bool:
    """Whether a description is the language's own, which says so in small letters and names no inner part."""
    return not re.search(r"[A-Z]{2,}|<class|sqlglot|token", said)


def is_call(node: Any, text: str) -> bool:
    """Whether an expression was written as a call of a function: ``name(``."""
    names = [node.name] if isinstance(node, exp.Anonymous) else [*node.sql_names()] if isinstance(node, exp.Func) else []
    return any(re.search(rf"\b{re.escape(name)}\s*\(", text, re.IGNORECASE) for name in names if name)


def place_of(node: Any, text: str) -> int:
    """Where a node begins in the text: its first name; a parameter or call, whose name has no place, by searching it."""
    if isinstance(node, exp.Placeholder | exp.Parameter):
        return max(text.find(f"${node.name}"), 0)
    if isinstance(node, exp.Func):
        name = node.name if isinstance(node, exp.Anonymous) else next(iter(node.sql_names()), "")
        if found := re.search(rf"\b{re.escape(name)}\s*\(", text, re.IGNORECASE):
            return found.start()
    places = (
        [i.meta["start"] for i in node.find_all(exp.Identifier) if "start" in i.meta] if isinstance(node, exp.Expression) else []
    )
    return min(places, default=0)
