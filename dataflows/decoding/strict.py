"""The strict reading of one JSON row: the definition of every verdict. The fast decoder must agree with it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from dataflows.decoding.decoded import Reason
from dataflows.decoding.moments import MAX_TIME, MIN_TIME, parse_date, parse_time
from models.application.resolved.sources import FieldSpec
from models.values.types import UNITS, Kind, Type

INT_MIN, INT_MAX = -(2**63), 2**63 - 1


class Bad(Exception):
    """A value or row that does not fit; ``field`` is None for the whole row."""

    def __init__(self, reason: Reason, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.field = field


class Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


def parse(raw: bytes, declared: frozenset[str]) -> dict[str, Any]:
    """A row as an object, numbers as text; duplicate keys count where they are declared.

    Raises:
        Bad: when it is no JSON object, not UTF-8, or has a declared key twice.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Bad(Reason.ENCODING, f"not UTF-8 at byte {error.start}") from None
    try:
        value = _DECODER.decode(text)
    except Bad:
        raise
    except (ValueError, RecursionError) as error:
        raise Bad(Reason.SYNTAX, f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Bad(Reason.SYNTAX, "expected a JSON object")
    if "\\u" in text:  # what is UTF-8 holds a lone surrogate only where it is escaped
        check_text(value)
    repeated = [key for key in value.pop(REPEATED, []) if key in declared]
    if repeated:
        raise Bad(Reason.DUPLICATE_KEY, f"key {repeated[0]!r} stands twice")
    return value


REPEATED = "\0repeated"
"""The key under which a parsed object holds its keys that stand twice."""
_SURROGATE = re.compile("[\ud800-\udfff]")


def _constant(name: str) -> Any:
    raise Bad(Reason.NOT_FINITE, f"{name} is no JSON number")


def _pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
    whole = dict(found)
    if len(whole) < len(found):
        keys = [key for key, _ in found]
        whole[REPEATED] = [key for key in keys if keys.count(key) > 1]
    return whole


_DECODER = json.JSONDecoder(
    parse_int=Number, parse_float=Number, parse_constant=_constant, object_pairs_hook=_pairs, strict=True
)


def check_text(value: Any) -> None:
    """Lone surrogates can be escaped in JSON, but are no text."""
    if isinstance(value, str):
        if _SURROGATE.search(value):
            raise Bad(Reason.ENCODING, "a lone surrogate is no text")
    elif isinstance(value, dict):
        for key, item in value.items():
            check_text(key)
            check_text(item)
    elif isinstance(value, list):
        for item in value:
            check_text(item)


def values_of(
    row: Mapping[str, Any], fields: Mapping[str, FieldSpec], first: frozenset[str] = frozenset()
) -> tuple[dict[str, Any], Bad | None]:
    """Declared fields as stored values, and the first problem: of those judged ``first``, else in declared order.

    Beside a problem stand the values of fields in ``first`` that have none, and perhaps others.
    """
    found: dict[str, Any] = {}
    early = [spec for name, spec in fields.items() if name in first]
    problems = [bad for spec in early if (bad := _kept(row, spec, found)) is not None]
    if problems:
        return found, problems[0]
    for name, spec in fields.items():
        if name not in first and (bad := _kept(row, spec, found)) is not None:
            return found, bad
    return found, None


def _kept(row: Mapping[str, Any], spec: FieldSpec, found: dict[str, Any]) -> Bad | None:
    try:
        found[spec.name] = field_value(row, spec)
    except Bad as bad:
        bad.field = spec.name
        return bad.with_traceback(None)
    return None


def field_value(row: Mapping[str, Any], spec: FieldSpec) -> Any:
    """One field's stored value.

    Raises:
        Bad: when it is missing though required, or does not fit its type.
    """
    value: Any = row
    for part in spec.path:
        value = value.get(part) if isinstance(value, dict) else None
    if value is None:
        if spec.type.optional:
            return None
        raise Bad(Reason.MISSING, f"field {spec.name!r} is missing or null")
    return convert(value, spec.type, spec.name)


def convert(value: Any, type_: Type, name: str) -> Any:
    """A JSON value (numbers as ``Number``) as the stored value of a type.

    Raises:
        Bad: when it does not fit.
    """
    return _CONVERT[type_.kind](value, type_, name)


def _wrong(value: Any, type_: Type, name: str) -> Bad:
    shown = str(value) if isinstance(value, Number) else json.dumps(value, default=str)
    return Bad(Reason.TYPE, f"field {name!r}: expected {type_.required()}; found {shown[:80]}")


def _string(value: Any, type_: Type, name: str) -> str:
    if isinstance(value, str) and not isinstance(value, Number):
        return value
    raise _wrong(value, type_, name)


def _bool(value: Any, type_: Type, name: str) -> bool:
    if isinstance(value, bool):
        return value
    raise _wrong(value, type_, name)


def _int(value: Any, type_: Type, name: str) -> int:
    if isinstance(value, Number) and not any(c in value for c in ".eE") and len(value) <= 20:
        number = int(value)
        if INT_MIN <= number <= INT_MAX:
            return number
    raise _wrong(value, type_, name)


def _float(value: Any, type_: Type, name: str) -> float:
    if not isinstance(value, Number):
        if isinstance(value, str) and value.lower() in ("nan", "infinity", "-infinity", "inf", "-inf"):
            raise Bad(Reason.NOT_FINITE, f"field {name!r}: {value} is no finite number")
        raise _wrong(value, type_, name)
    number = float(value)
    if not math.isfinite(number):
        raise Bad(Reason.NOT_FINITE, f"field {name!r}: {value[:40]} is too large for a float")
    return number


def _decimal(value: Any, type_: Type, name: str) -> int:
    if isinstance(value, Number):
        unscaled = unscaled_of(value, type_.scale)
        if unscaled is not None and abs(unscaled) < 10**type_.precision:
            return unscaled
    raise _wrong(value, type_, name)


def unscaled_of(text: str, scale: int) -> int | None:
    """A JSON number's digits as an unscaled integer, None if it has more decimals than ``scale`` or is far too long."""
    mantissa, _, exponent = text.lower().partition("e")
    sign = -1 if mantissa.startswith("-") else 1
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return 0
    if len(exponent) > 6:
        return None
    shift = int(exponent or 0) - len(fraction)
    stripped = digits.rstrip("0")
    shift += len(digits) - len(stripped) + scale
    if shift < 0 or len(stripped) + shift > 40:
        return None
    return int(sign * int(stripped) * 10**shift)


def _timestamp(value: Any, type_: Type, name: str) -> int:
    if isinstance(value, Number):
        if not type_.unit:
            raise _wrong(value, type_, name)
        number = _int(value, type_, name)
        time = number // 1000 if type_.unit == "ns" else number * UNITS[type_.unit]
    elif isinstance(value, str):
        parsed = parse_time(value)
        if parsed is None:
            raise _wrong(value, type_, name)
        time = parsed
    else:
        raise _wrong(value, type_, name)
    if not MIN_TIME <= time <= MAX_TIME:
        raise Bad(Reason.TIME_RANGE, f"field {name!r}: {value} lies outside the years 1 to 9999")
    return time


def _date(value: Any, type_: Type, name: str) -> int:
    days = parse_date(value) if isinstance(value, str) and not isinstance(value, Number) else None
    if days is None:
        raise _wrong(value, type_, name)
    return days


def _list(value: Any, type_: Type, name: str) -> tuple[Any, ...]:
    if not isinstance(value, list) or type_.item is None:
        raise _wrong(value, type_, name)
    item = type_.item
    return tuple(None if each is None and item.optional else convert(each, item, name) for each in value)


_CONVERT: dict[Kind, Callable[[Any, Type, str], Any]] = {
    Kind.STRING: _string, Kind.BOOL: _bool, Kind.INT: _int, Kind.FLOAT: _float, Kind.DECIMAL: _decimal,
    Kind.TIMESTAMP: _timestamp, Kind.DATE: _date, Kind.LIST: _list,
}  # fmt: skip
