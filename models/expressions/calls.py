"""The functions of the language: for each its argument kinds, result type, and a function of stored values.

Each function sees only values that are not NULL, and gives None for NULL. Meaning as in DuckDB.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from models.expressions.numbers import finite, fit_decimal, fit_int, guarded, rescale, round_half_away
from models.values.types import BOOL, FLOAT, INT, STRING, Kind, Type

Result = Callable[[Sequence[Type]], Type]
Make = Callable[[Sequence[Type]], Callable[..., Any]]


@dataclass(frozen=True, slots=True)
class Call:
    """A function: how many arguments of which kinds, what it gives, and how it is made for given types."""

    kinds: tuple[frozenset[Kind], ...]
    least: int
    result: Result
    make: Make


_NUMBER = frozenset({Kind.INT, Kind.FLOAT, Kind.DECIMAL})
_INT = frozenset({Kind.INT})
_TEXT = frozenset({Kind.STRING})


def _as_float(type_: Type) -> Callable[[Any], float]:
    if type_.kind is Kind.DECIMAL:
        power = 10**type_.scale
        return lambda value: value / power
    return float


def _float_function(function: Callable[..., float], count: int = 1) -> Call:
    def make(types: Sequence[Type]) -> Callable[..., Any]:
        casts = [_as_float(type_) for type_ in types]
        safe = guarded(function)
        return lambda *args: safe(*(cast(arg) for cast, arg in zip(casts, args, strict=True)))

    return Call((_NUMBER,) * count, count, lambda _: FLOAT, make)


def _text_function(function: Callable[..., Any], kinds: tuple[frozenset[Kind], ...], result: Type, least: int = 0) -> Call:
    return Call(kinds, least or len(kinds), lambda _: result, lambda _: function)


def _round(types: Sequence[Type]) -> Callable[..., Any]:
    kind, scale = types[0].kind, types[0].scale
    if kind is Kind.INT:
        return lambda value, digits=0: value if digits >= 0 else fit_int(rescale(value, -digits) * 10**-digits)
    if kind is Kind.DECIMAL:
        return lambda v, digits=0: v if digits >= scale else fit_decimal(rescale(v, scale - digits) * 10 ** (scale - digits))
    return lambda value, digits=0: round_half_away(value, digits)


def _abs(types: Sequence[Type]) -> Callable[..., Any]:
    return (lambda value: fit_int(abs(value))) if types[0].kind is Kind.INT else abs


def _whole(function: Callable[[float], float], up: bool) -> Make:
    def make(types: Sequence[Type]) -> Callable[..., Any]:
        kind, power = types[0].kind, 10 ** types[0].scale
        if kind is Kind.DECIMAL:
            return lambda value: fit_decimal((-(-value // power) if up else value // power) * power)
        return (lambda value: value) if kind is Kind.INT else lambda value: finite(float(function(value)))

    return make


def _substring(text: str, start: int, length: int | None = None) -> str:
    begin = start - 1 if start > 0 else len(text) + start if start < 0 else -1
    end = len(text) if length is None else begin + length
    if length is not None and length < 0:
        begin, end = end, begin
    return text[max(begin, 0) : max(end, 0)]


def haversine_km(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Great-circle distance in kilometres on a sphere of radius 6371.0088 km (mean Earth radius, IUGG)."""
    a, b = math.radians(lat1), math.radians(lat2)
    h = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(math.radians(lon2 - lon1) / 2) ** 2
    return 2 * 6371.0088 * math.asin(min(1.0, math.sqrt(h)))


def lower(text: str) -> str:
    """Lower case by code point, as utf8proc's simple mapping."""
    return "".join(low if len(low := c.lower()) == 1 else "i" if c == "\u0130" else c for c in text)


def upper(text: str) -> str:
    """Upper case by code point, as utf8proc's simple mapping."""
    return "".join("\u1e9e" if c == "\u00df" else up if len(up := c.upper()) == 1 else c for c in text)


def _regexp(text: str, pattern: str) -> bool | None:
    import polars as pl

    try:
        return bool(pl.Series([text]).str.contains(pattern)[0])
    except pl.exceptions.ComputeError:
        return None


CALLS: dict[str, Call] = {
    "round": Call((_NUMBER, _INT), 1, lambda types: types[0].required(), _round),
    "floor": Call((_NUMBER,), 1, lambda types: types[0].required(), _whole(math.floor, up=False)),
    "ceil": Call((_NUMBER,), 1, lambda types: types[0].required(), _whole(math.ceil, up=True)),
    "abs": Call((_NUMBER,), 1, lambda types: types[0].required(), _abs),
    "sqrt": _float_function(math.sqrt),
    "ln": _float_function(math.log),
    "exp": _float_function(math.exp),
    "power": _float_function(math.pow, 2),
    "haversine_km": _float_function(haversine_km, 4),
    "length": _text_function(len, (_TEXT,), INT),
    "lower": _text_function(lower, (_TEXT,), STRING),
    "upper": _text_function(upper, (_TEXT,), STRING),
    "trim": _text_function(lambda text, chars=" ": text.strip(chars), (_TEXT, _TEXT), STRING, 1),
    "substring": _text_function(_substring, (_TEXT, _INT, _INT), STRING, 2),
    "starts_with": _text_function(str.startswith, (_TEXT, _TEXT), BOOL),
    "ends_with": _text_function(str.endswith, (_TEXT, _TEXT), BOOL),
    "contains": _text_function(lambda text, part: part in text, (_TEXT, _TEXT), BOOL),
    "regexp_matches": _text_function(_regexp, (_TEXT, _TEXT), BOOL),
    "seconds": Call((frozenset({Kind.INTERVAL}),), 1, lambda _: FLOAT, lambda _: lambda value: float(value) / 1_000_000),
}
"""Every plain function by name; those with rules of their own for NULL or types are in ``typing_``."""
