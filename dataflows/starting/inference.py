"""The type of a field from what was seen of it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from dataflows.starting.sample import Number, Seen
from models.expressions.times import parse_moment
from models.values.types import BOOL, DATE, FLOAT, INT, STRING, TIMESTAMP, UNITS, Kind, Type, decimal

_TIME_NAME = re.compile(
    r"(^|_|\b)(ts|time|timestamp|date|datetime|epoch|when|at|on|created|updated|occurred|moment)($|_|\b)|(Time|At|Date|TS)$|^ts",
    re.I,
)
_MONEY_NAME = re.compile(r"amount|price|total|fee|cost|balance|value|sum|money|charge|payment|limit|fare", re.I)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}.*")
_FIRST, _LAST = 946_684_800, 4_102_444_800
"""Seconds since 1970 of the years 2000 and 2100: numbers between them, in some unit, may be times."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A field as it is declared; ``type`` None: it is left out, for the reason in ``note``."""

    seen: Seen
    type: Type | None
    note: str = ""


def guess(seen: Seen) -> Guess:
    """A field's type, and a note on what the guess stands on."""
    present = [value for value in seen.values if value is not None]
    if not present:
        return Guess(seen, None, "always null in the sample")
    if any("." in name for name in seen.path):
        return Guess(seen, None, "a name with a dot cannot be reached by a path")
    type_, note = (seen.type, "") if seen.type is not None else _type(seen, present)
    if type_ is not None and type_.kind is Kind.INT and (unit := _unit(seen, present)):
        type_, note = Type(Kind.TIMESTAMP, unit=unit), f"numbers that are moments in {unit}"
    if type_ is None:
        return Guess(seen, None, note or "of a type that the language does not have")
    return Guess(seen, replace(type_, optional=len(present) < len(seen.values)), note)


def _type(seen: Seen, present: list[Any]) -> tuple[Type | None, str]:
    kinds = Counter(_kind(value) for value in present)
    if len(kinds) > 1:
        mixed = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
        return None, f"mixed in the sample: {mixed}"
    match next(iter(kinds)):
        case "bool":
            return BOOL, ""
        case "number":
            return _number(seen.path[-1], present)
        case "text":
            return _text(present)
        case "list":
            return _list(seen, present)
    return None, "an object without fixed fields"


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, Number):
        return "number"
    return {"str": "text", "list": "list"}.get(type(value).__name__, "object")


def _number(name: str, present: list[Any]) -> tuple[Type, str]:
    if all(re.fullmatch(r"-?\d+", text) for text in present):
        fits = all(-(2**63) <= int(text) < 2**63 for text in present)
        return (INT, "") if fits else (FLOAT, "integers beyond 64 bits")
    if not all(re.fullmatch(r"-?\d+(\.\d+)?", text) for text in present):
        return FLOAT, ""
    scale = max(len(text.partition(".")[2]) for text in present)
    whole = max(len(text.lstrip("-").partition(".")[0]) for text in present)
    if scale <= 2 or (scale <= 6 and _MONEY_NAME.search(name) is not None):
        digits = max(12, whole + scale + 2)
        if digits <= 18:
            return decimal(digits, scale), f"at most {scale} decimals in the sample"
    return FLOAT, ""


def _text(present: list[Any]) -> tuple[Type, str]:
    if all(_DATE.fullmatch(text) for text in present):
        return DATE, ""
    if all(_MOMENT.fullmatch(text) and _is_moment(text) for text in present):
        return TIMESTAMP, ""
    return STRING, ""


def _is_moment(text: str) -> bool:
    try:
        parse_moment(text)
    except ValueError:
        return False
    return True


def _list(seen: Seen, present: list[Any]) -> tuple[Type | None, str]:
    items = [item for value in present for item in value]
    if not items or any(item is None for item in items):
        return None, "lists that are empty or hold nulls"
    found, note = _type(Seen(seen.path, items), items)
    if found is None or found.kind not in (Kind.STRING, Kind.INT, Kind.FLOAT, Kind.BOOL):
        return None, note or "lists of what the language does not have"
    return Type(Kind.LIST, item=found), ""


def _unit(seen: Seen, present: list[Any]) -> str:
    """The unit of integers that are moments: all of them between 2000 and 2100, under a name that speaks of time."""
    if not _TIME_NAME.search(seen.path[-1]):
        return ""
    numbers = [int(value) for value in present]
    for unit, per_second in (("s", 1), ("ms", 1_000), ("us", 1_000_000), ("ns", 1_000_000_000)):
        if all(_FIRST * per_second <= number < _LAST * per_second for number in numbers):
            return unit
    return ""


def moments(found: Guess) -> list[int | None]:
    """A field's values as microseconds since 1970."""
    return [None if value is None else _moment(value, found.type) for value in found.seen.values]


def _moment(value: Any, type_: Type | None) -> int:
    if type_ is not None and type_.unit and isinstance(value, Number):
        return int(value) // 1000 if type_.unit == "ns" else int(value) * UNITS[type_.unit]
    return int(value) if isinstance(value, int) else parse_moment(str(value))
