"""Readers of what several sections hold: texts of the environment, verdicts, money, names of other sections."""

from __future__ import annotations

import re
from collections.abc import Iterable

from models.application.nodes import Node
from models.application.reader import LONGEST, Reader
from models.application.respond.environment import EnvText
from models.application.respond.money import Amount, parse_money

_VERDICT = re.compile(r"[a-z][a-z0-9_]*")
_YEARS = re.compile(r"(\d{1,3})y")
_YEAR = 365 * 86_400_000_000


def env_text(reader: Reader, node: Node | None, what: str) -> EnvText | None:
    """A text that may refer to the environment; None where there is none."""
    if node is None:
        return None
    found = EnvText(reader.text(node, what), node.position)
    if not found.is_well_formed:
        reader.problems.add(node.position, "expected ${NAME}, ${NAME:-default} or ${file:PATH}; found another use of ${")
    return found


def env_texts(reader: Reader, node: Node | None, what: str) -> tuple[EnvText, ...]:
    """One such text or a list of them."""
    items = [] if node is None else node.items if node.kind == "list" else [node]
    return tuple(found for item in items if (found := env_text(reader, item, what)) is not None)


def verdict(reader: Reader, node: Node | None, what: str, default: str = "") -> str:
    """A verdict's name."""
    text = reader.text(node, what, default)
    if node is not None and text and not _VERDICT.fullmatch(text):
        reader.problems.add(node.position, f"expected {what} as a verdict's name of a-z, 0-9 and _; found {text!r}")
    return text


def verdicts(reader: Reader, node: Node | None, what: str) -> tuple[str, ...]:
    """A list of verdicts."""
    items = [] if node is None else node.items if node.kind == "list" else [node]
    return tuple(verdict(reader, item, what) for item in items)


def known(reader: Reader, node: Node | None, what: str, names: Iterable[str]) -> str:
    """A name of another section."""
    text = reader.text(node, what)
    if node is not None and text and text not in names:
        reader.problems.unknown(node.position, what, text, sorted(names))
    return text


def amount(reader: Reader, node: Node, what: str, *, windowed: bool = False) -> Amount | None:
    """An amount of money, with its window where one belongs to it."""
    text = reader.text(node, what)
    found = parse_money(text)
    if found is None or (found.window is not None) != windowed:
        form = "1 EUR per day" if windowed else "5 EUR"
        reader.problems.add(node.position, f"expected {what} as money such as {form}; found {text!r}")
        return None
    return found


def long_duration(reader: Reader, node: Node | None, what: str) -> int | None:
    """A duration that may be in years (``7y``, of 365 days)."""
    found = None if node is None or node.text is None else _YEARS.fullmatch(node.text)
    if found is not None:
        return min(int(found[1]) * _YEAR, LONGEST)
    return reader.duration(node, what, least=1)
