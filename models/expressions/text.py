"""Stored values as text and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from models.values.types import Kind, Type

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_ONE = date(1970, 1, 1)
_SAFE = 2**53


def to_text(type_: Type, value: Any) -> str:
    """A stored value as people read it; NULL is empty.

    >>> from models.values.types import decimal
    >>> to_text(decimal(12, 2), 1050)
    '10.50'
    """
    return "" if value is None else _TEXT[type_.kind](type_, value)


def to_json(type_: Type, value: Any) -> Any:
    """A stored value as JSON holds it: decimals and integers beyond 2^53 as text, intervals in seconds."""
    return None if value is None else _JSON[type_.kind](type_, value)


@lru_cache(256)
def time_text(time: int) -> str:
    """RFC 3339 in UTC; a fraction only where there is one."""
    whole, micros = divmod(time, 1_000_000)
    text = _second_text(whole)
    if not text:
        return f"{time}us"
    return f"{text}.{micros:06d}Z" if micros else f"{text}Z"


@lru_cache(4096)
def _second_text(seconds: int) -> str:
    """A second since 1970 without its zone, empty where no calendar has it."""
    try:
        return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    except OverflowError:
        return ""


def interval_text(microseconds: int) -> str:
    """A span of time in its largest fitting units, as ``1h30m``."""
    if microseconds == 0:
        return "0s"
    sign, rest, text = "-" if microseconds < 0 else "", abs(microseconds), ""
    for size, unit in (
        (86_400_000_000, "d"),
        (3_600_000_000, "h"),
        (60_000_000, "m"),
        (1_000_000, "s"),
        (1_000, "ms"),
        (1, "us"),
    ):
        count, rest = divmod(rest, size)
        if count:
            text += f"{count}{unit}"
    return sign + text


def _list_text(type_: Type, values: Sequence[Any]) -> str:
    return "[" + ", ".join(to_text(type_.item or type_, item) for item in values) + "]"


def _as_it_is(type_: Type, value: Any) -> Any:
    return value


_TEXT: dict[Kind, Callable[[Type, Any], str]] = {
    **dict.fromkeys(Kind, lambda type_, value: str(value)),
    Kind.BOOL: lambda type_, value: "true" if value else "false",
    Kind.DECIMAL: lambda type_, value: str(Decimal(value).scaleb(-type_.scale)),
    Kind.FLOAT: lambda type_, value: repr(value),
    Kind.TIMESTAMP: lambda type_, value: time_text(value),
    Kind.DATE: lambda type_, value: (_DAY_ONE + timedelta(days=value)).isoformat(),
    Kind.INTERVAL: lambda type_, value: interval_text(value),
    Kind.LIST: _list_text,
}
_JSON: dict[Kind, Callable[[Type, Any], Any]] = {
    **_TEXT,
    **dict.fromkeys((Kind.BOOL, Kind.FLOAT, Kind.STRING), _as_it_is),
    Kind.INT: lambda type_, value: value if -_SAFE <= value <= _SAFE else str(value),
    Kind.INTERVAL: lambda type_, value: value / 1_000_000,
    Kind.LIST: lambda type_, value: [to_json(type_.item or type_, item) for item in value],
}
