"""Values of single good rows, for flags: read fast where that is sure to agree with the strict reading, else by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import orjson

from dataflows.decoding.framing import without_frame
from dataflows.decoding.moments import parse_date, parse_time
from dataflows.decoding.strict import parse, unscaled_of, values_of
from models.application.resolved.sources import FieldSpec
from models.values.types import UNITS, Kind, Type

_EXACT = 10**15
"""Decimals of fewer digits are the same again after a way through a float."""
Read = Callable[[Any], Any]
"""From a JSON value to the stored value; None where only the strict reading knows."""


class RowReader:
    """Reads good rows of one source: rows of which the decoder has found every declared field to fit."""

    def __init__(self, declared: Mapping[str, FieldSpec]) -> None:
        self.declared = declared
        self.top = top_keys(declared)
        self.reads: list[tuple[str, tuple[str, ...], Read]] | None = None

    def values(self, raw: bytes) -> dict[str, Any]:
        """All declared fields of a good row, as stored values."""
        raw = without_frame(raw)
        found = self._fast(raw)
        return values_of(parse(raw, self.top), self.declared)[0] if found is None else found

    def _fast(self, raw: bytes) -> dict[str, Any] | None:
        if self.reads is None:
            self.reads = [(name, spec.path, _reader(spec.type)) for name, spec in self.declared.items()]
        try:
            row = orjson.loads(raw)
        except orjson.JSONDecodeError:
            return None
        found: dict[str, Any] = {}
        for name, path, read in self.reads:
            value = row
            for part in path:
                value = value.get(part) if isinstance(value, dict) else None
            if value is not None:
                value = read(value)
                if value is None:
                    return None
            found[name] = value
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return RowReader, (self.declared,)


def top_keys(fields: Mapping[str, FieldSpec]) -> frozenset[str]:
    """The keys of a row that declared fields stand under."""
    return frozenset(spec.path[0] for spec in fields.values())


def _reader(type_: Type) -> Read:
    match type_.kind:
        case Kind.STRING:
            return partial(_same, str)
        case Kind.BOOL:
            return partial(_same, bool)
        case Kind.INT:
            return partial(_same, int)
        case Kind.FLOAT:
            return _float
        case Kind.DECIMAL:
            return partial(_decimal, type_.scale)
        case Kind.TIMESTAMP:
            return partial(_time, type_.unit)
        case Kind.DATE:
            return lambda value: parse_date(value) if type(value) is str else None
    return lambda value: None


def _same(wanted: type, value: Any) -> Any:
    return value if type(value) is wanted else None


def _float(value: Any) -> float | None:
    if type(value) is float:
        return value
    return float(value) if type(value) is int and value else None  # a zero may have had a sign


def _decimal(scale: int, value: Any) -> int | None:
    if type(value) is not float and type(value) is not int:
        return None
    unscaled = unscaled_of(repr(value), scale)
    return unscaled if unscaled is not None and abs(unscaled) < _EXACT else None


def _time(unit: str | None, value: Any) -> int | None:
    if type(value) is str:
        return parse_time(value)
    if type(value) is not int or not unit:
        return None
    return value // 1000 if unit == "ns" else value * UNITS[unit]
