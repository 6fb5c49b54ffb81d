"""The types a field, feature or expression may have, and how each is stored.

Storage, the same in arrays and in single values: bool as bool, int as int64, float as float64, decimal(p,s) as the int64
unscaled number, timestamp and interval as int64 microseconds (timestamps since 1970-01-01T00:00:00Z), date as int64 days
since 1970-01-01, string as UTF-8 (``Strings`` in arrays, ``str`` alone), list as a tuple of stored values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What a value is."""

    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    DECIMAL = "decimal"
    STRING = "string"
    TIMESTAMP = "timestamp"
    DATE = "date"
    INTERVAL = "interval"
    LIST = "list"
    NULL = "null"


MAX_DIGITS = 18
UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1, "ns": 0}


@dataclass(frozen=True, slots=True)
class Type:
    """One type of the language; ``unit`` is that of bare numbers in the input, and never of the stored value."""

    kind: Kind
    precision: int = 0
    scale: int = 0
    unit: str = ""
    item: Type | None = None
    optional: bool = False

    def required(self) -> Type:
        """The same type without ``?``."""
        return replace(self, optional=False) if self.optional else self

    @property
    def is_number(self) -> bool:
        """Whether arithmetic is defined on it."""
        return self.kind in (Kind.INT, Kind.FLOAT, Kind.DECIMAL)

    def __str__(self) -> str:
        text = self.kind.value
        if self.kind is Kind.DECIMAL:
            text = f"decimal({self.precision},{self.scale})"
        elif self.kind is Kind.LIST:
            text = f"list<{self.item}>"
        elif self.unit:
            text = f"timestamp[{self.unit}]"
        return text + ("?" if self.optional else "")


BOOL = Type(Kind.BOOL)
INT = Type(Kind.INT)
FLOAT = Type(Kind.FLOAT)
STRING = Type(Kind.STRING)
TIMESTAMP = Type(Kind.TIMESTAMP)
DATE = Type(Kind.DATE)
INTERVAL = Type(Kind.INTERVAL)
NULL = Type(Kind.NULL)

_PLAIN = {t.kind.value: t for t in (BOOL, INT, FLOAT, STRING, TIMESTAMP, DATE)}
_DECIMAL = re.compile(r"decimal\(\s*(\d+)\s*,\s*(\d+)\s*\)")
_TIMESTAMP = re.compile(r"timestamp\[(s|ms|us|ns)\]")
_LIST = re.compile(r"list<(.+)>")


def decimal(precision: int, scale: int) -> Type:
    """The type ``decimal(precision, scale)``."""
    return Type(Kind.DECIMAL, precision=precision, scale=scale)


def parse_type(text: str) -> Type:
    """Read a type as it stands in an application file.

    Raises:
        ValueError: says what is expected, for text that is no type.

    >>> str(parse_type("decimal(12,2)?"))
    'decimal(12,2)?'
    """
    bare = text.strip()
    if bare.endswith("?"):
        return replace(parse_type(bare[:-1]), optional=True)
    if bare in _PLAIN:
        return _PLAIN[bare]
    if found := _DECIMAL.fullmatch(bare):
        return _checked_decimal(int(found[1]), int(found[2]))
    if found := _TIMESTAMP.fullmatch(bare):
        return Type(Kind.TIMESTAMP, unit=found[1])
    if found := _LIST.fullmatch(bare):
        return Type(Kind.LIST, item=parse_type(found[1]))
    raise ValueError(
        "expected bool, int, float, string, decimal(p,s), timestamp, timestamp[s|ms|us|ns], date or list<type>, "
        f"each with ? if optional; found {text!r}"
    )


def type_state(type_: Type) -> dict[str, Any]:
    """A type as plain values."""
    item = None if type_.item is None else type_state(type_.item)
    return {"kind": type_.kind.value, "precision": type_.precision, "scale": type_.scale, "unit": type_.unit, "item": item,
            "optional": type_.optional}  # fmt: skip


def type_from(state: Mapping[str, Any]) -> Type:
    """The type that ``type_state`` gave."""
    item = None if state["item"] is None else type_from(state["item"])
    return Type(Kind(state["kind"]), state["precision"], state["scale"], state["unit"], item, state["optional"])


def _checked_decimal(precision: int, scale: int) -> Type:
    if not 1 <= precision <= MAX_DIGITS or scale > precision:
        raise ValueError(f"expected decimal(p,s) with 1 <= p <= {MAX_DIGITS} and s <= p; found decimal({precision},{scale})")
    return decimal(precision, scale)
