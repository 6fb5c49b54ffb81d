"""Values of Avro's types as the declared types store them: what widens without loss fits, as with typed files (Avro 1.12)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dataflows.decoding.decoded import Reason
from dataflows.decoding.moments import MAX_DATE, MAX_TIME, MIN_DATE, MIN_TIME, parse_date, parse_time
from dataflows.decoding.strict import Bad
from models.application.resolved.sources import FieldSpec
from models.values.types import UNITS, Kind, Type

Convert = Callable[[Any], Any]
Names = Mapping[str, Any]
"""Named types of a schema, by their full names."""
_WHOLE = ("int", "long")
_UNITS = {
    "timestamp-millis": "ms", "timestamp-micros": "us", "timestamp-nanos": "ns",
    "local-timestamp-millis": "ms", "local-timestamp-micros": "us", "local-timestamp-nanos": "ns",
}  # fmt: skip
_TIMES = frozenset({"date", "time-millis", "time-micros", *_UNITS})
_PYTHON: dict[str, tuple[type, ...]] = {
    "string": (str,), "enum": (str,), "bytes": (bytes,), "fixed": (bytes,), "boolean": (bool,), "int": (int,), "long": (int,),
    "float": (float,), "double": (float,), "array": (list,), "map": (dict,), "record": (dict,),
}  # fmt: skip


def field_convert(schema: Any, names: Names, spec: FieldSpec) -> Convert | None:
    """How a field's values are stored, given the schema of a whole record; None where the schema has no such field.

    The function raises Bad for a value that does not fit.
    """
    found = _at(schema, names, spec.path)
    return None if found is None else convert_of(found, names, spec.type, spec.name)


def convert_of(schema: Any, names: Names, type_: Type, name: str) -> Convert:
    """How values of a schema are stored as a type; of a union each value by its own branch."""
    branches = [branch for branch in _branches(schema, names) if _kind(branch) != "null"]
    if len(branches) == 1:
        return _convert(branches[0], names, type_, name)
    each = [(_PYTHON.get(_kind(branch), ()), _convert(branch, names, type_, name)) for branch in branches]

    def convert(value: Any) -> Any:
        for classes, known in each:
            if type(value) in classes:
                return known(value)
        raise Bad(Reason.TYPE, f"field {name!r}: expected {type_.required()}; found {str(value)[:80]}")

    return convert


def _at(schema: Any, names: Names, path: Sequence[str]) -> Any:
    """The schema of a nested field, null unless it has one."""
    for part in path:
        records = [branch for branch in _branches(schema, names) if _kind(branch) == "record"]
        fields = [field for record in records for field in record["fields"] if field["name"] == part]
        if not fields:
            return None
        schema = fields[0]["type"]
    return schema


def _branches(schema: Any, names: Names) -> list[Any]:
    if isinstance(schema, list):
        return [branch for each in schema for branch in _branches(each, names)]
    if isinstance(schema, str) and schema in names:
        return [names[schema]]
    if isinstance(schema, dict) and isinstance(schema.get("type"), dict | list):
        return _branches(schema["type"], names)
    return [schema]


def _kind(schema: Any) -> str:
    return str(schema["type"] if isinstance(schema, dict) else schema)


def _logical(schema: Any) -> str:
    return str(schema.get("logicalType", "")) if isinstance(schema, dict) else ""


def _convert(schema: Any, names: Names, type_: Type, name: str) -> Convert:
    kind, logical = _kind(schema), _logical(schema)
    whole = kind in _WHOLE and logical not in _TIMES
    match type_.kind:
        case Kind.STRING if kind in ("string", "enum"):
            return lambda value: value
        case Kind.BOOL if kind == "boolean":
            return lambda value: value
        case Kind.INT if whole:
            return lambda value: value
        case Kind.FLOAT if whole or kind in ("float", "double"):
            return lambda value: _finite(value, name)
        case Kind.DECIMAL if whole:
            return lambda value: _rescaled(value, 0, type_, name)
        case Kind.DECIMAL if kind in ("bytes", "fixed") and logical == "decimal":
            scale = int(schema.get("scale", 0))
            return lambda value: _rescaled(int.from_bytes(value, "big", signed=True), scale, type_, name)
        case Kind.TIMESTAMP if kind == "long" and logical in _UNITS:
            return lambda value: _moment(value, _UNITS[logical], name)
        case Kind.TIMESTAMP if whole and type_.unit:
            return lambda value: _moment(value, type_.unit, name)
        case Kind.TIMESTAMP if kind == "string":
            return lambda value: _in_range(_parsed(parse_time(value), value, type_, name), name)
        case Kind.DATE if kind == "int" and logical == "date":
            return lambda value: _day(value, name)
        case Kind.DATE if kind == "string":
            return lambda value: _parsed(parse_date(value), value, type_, name)
        case Kind.LIST if kind == "array" and type_.item is not None:
            return _items(convert_of(schema["items"], names, type_.item, name), type_.item, name)
    return _never(type_, name, f"{kind} ({logical})" if logical else kind)


def _never(type_: Type, name: str, found: str) -> Convert:
    def convert(value: Any) -> Any:
        raise Bad(Reason.TYPE, f"field {name!r}: expected {type_.required()}; found Avro {found}. Declare the type it has")

    return convert


def _items(item: Convert, type_: Type, name: str) -> Convert:
    def convert(value: Any) -> tuple[Any, ...]:
        if not type_.optional and None in value:
            raise Bad(Reason.TYPE, f"field {name!r}: expected items of {type_}; found null")
        return tuple(None if each is None else item(each) for each in value)

    return convert


def _finite(value: Any, name: str) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise Bad(Reason.NOT_FINITE, f"field {name!r}: {number} is no finite number")
    return number


def _rescaled(unscaled: int, scale: int, type_: Type, name: str) -> int:
    """An unscaled number with the declared decimals, where none is lost."""
    more: int = type_.scale - scale
    found, rest = (unscaled * int(10**more), 0) if more >= 0 else divmod(unscaled, int(10**-more))
    if rest or abs(found) >= 10**type_.precision:
        raise Bad(Reason.TYPE, f"field {name!r}: expected {type_.required()}; found {unscaled} with {scale} decimals")
    return found


def _moment(value: int, unit: str, name: str) -> int:
    return _in_range(value // 1000 if unit == "ns" else value * UNITS[unit], name)


def _in_range(time: int, name: str) -> int:
    if not MIN_TIME <= time <= MAX_TIME:
        raise Bad(Reason.TIME_RANGE, f"field {name!r}: {time} microseconds lies outside the years 1 to 9999")
    return time


def _day(value: int, name: str) -> int:
    if not MIN_DATE <= value <= MAX_DATE:
        raise Bad(Reason.TIME_RANGE, f"field {name!r}: day {value} lies outside the years 1 to 9999")
    return value


def _parsed(found: int | None, value: str, type_: Type, name: str) -> int:
    if found is None:
        raise Bad(Reason.TYPE, f"field {name!r}: expected {type_.required()}; found {value[:80]!r}")
    return found
