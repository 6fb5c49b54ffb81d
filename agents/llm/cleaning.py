"""Text from outside, without what is not text: control and bidirectional characters, and what looks like our own marks."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

LONGEST = 65_536
"""Characters of one text that are looked at; far more than are ever shown."""
_OURS = re.compile(r"<\s*([A-Za-z]+_\d+)\s*>")
_GONE = frozenset({"Cc", "Cf", "Co", "Cs", "Cn"})
_BLANK = frozenset({"Zl", "Zp"})


def cleaned(value: Any) -> Any:
    """A JSON value with all its texts and keys cleaned."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_text(name): cleaned(item) for name, item in value.items()}
    if isinstance(value, list):
        return [cleaned(item) for item in value]
    return value


def clean_text(text: str) -> str:
    r"""NFKC, breaks and tabs as blanks, control, format, private and unassigned characters gone; ``<CARD_1>`` becomes ``(CARD_1)``.

    >>> clean_text("a\u202eb\x00c\nd <CARD_1>")
    'abc d (CARD_1)'
    """
    text = unicodedata.normalize("NFKC", text[:LONGEST])
    if not text.isascii() or not text.isprintable():
        text = "".join(_kept(char) for char in text)
    return _OURS.sub(r"(\1)", text)


def _kept(char: str) -> str:
    category = unicodedata.category(char)
    if char in "\n\r\t" or category in _BLANK:
        return " "
    return "" if category in _GONE else char


def capped(value: Any, most: int) -> Any:
    """A JSON value whose texts have at most ``most`` characters."""
    if isinstance(value, str):
        return value if len(value) <= most else value[: most - 1] + "…"
    if isinstance(value, dict):
        return {name: capped(item, most) for name, item in value.items()}
    if isinstance(value, list):
        return [capped(item, most) for item in value]
    return value
