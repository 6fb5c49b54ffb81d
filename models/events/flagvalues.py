"""Values of a flag by the names that conditions over flags use (models/application/respond/flagscope)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from models.expressions.coerce import rescale_text
from models.values.types import Kind, Type

Event = Mapping[str, Any]
Getter = Callable[[Event], Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_ONE = date(1970, 1, 1)
_OF_PATTERN = frozenset({"version", "kind", "title"})
_OF_FLAG = frozenset({"severity", "priority", "subject", "runmode", "dedupkey", "time"})
_OF_DATA = frozenset({"evidence_count", "repeat", "suppressed"})
_SECTIONS = frozenset({"key", "features", "evidence_sum"})
_SAFE = 2**63


def json_value(name: str) -> Getter:
    """A function from a flag (a structured CloudEvent) to the JSON value of a name, None where it has none."""
    first, _, rest = name.partition(".")
    if name == "pattern":
        return lambda event: event["data"]["pattern"]["name"]
    if name == "application":
        return lambda event: event["data"].get("application", {}).get("name")
    if name in _OF_PATTERN:
        return lambda event: event["data"]["pattern"].get(name)
    if name in _OF_FLAG:
        return lambda event: event.get(name)
    if name in _OF_DATA:
        return lambda event: event["data"].get(name)
    if rest and first == "labels":
        return lambda event: event["data"]["pattern"].get("labels", {}).get(rest)
    if rest and first == "scores":
        return lambda event: event["data"].get("scores", {}).get(rest, {}).get("value")
    if rest and first == "enrichment":
        join, _, column = rest.partition(".")
        return lambda event: event["data"].get("enrichment", {}).get(join, {}).get(column)
    if rest and first in _SECTIONS:
        return lambda event: event["data"].get(first, {}).get(rest)
    return lambda event: _field(event["data"], name)


def stored_value(name: str, type_: Type) -> Getter:
    """As ``json_value``, stored as the type says; None for a value of another type."""
    get, convert = json_value(name), _CONVERT.get(type_.kind)
    if convert is None:
        return lambda event: None

    def read(event: Event) -> Any:
        try:
            value = get(event)
            return None if value is None else convert(value, type_)
        except (AttributeError, KeyError, TypeError, ValueError, ArithmeticError):  # a flag of another shape has no such value
            return None

    return read


def parse_time(text: str) -> int:
    """Microseconds since 1970 of RFC 3339 text.

    Raises:
        ValueError: for other text.
    """
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(text)
    span = found - _EPOCH
    return (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds


def _field(data: Event, name: str) -> Any:
    """A field of the newest event that has it, else of the key."""
    for event in reversed(data.get("evidence", ())):
        if name in event["fields"]:
            return event["fields"][name]
    return data.get("key", {}).get(name)


def _integer(value: Any, _: Type) -> int | None:
    found = int(value) if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)) else None
    return found if found is not None and -_SAFE <= found < _SAFE else None


def _float(value: Any, _: Type) -> float | None:
    return None if isinstance(value, bool) else float(value)


def _decimal(value: Any, type_: Type) -> int | None:
    found = None if isinstance(value, bool) else rescale_text(str(value), type_.scale)
    return found if found is not None and abs(found) < 10**18 else None


def _list(value: Any, type_: Type) -> Any:
    convert = None if type_.item is None else _CONVERT.get(type_.item.kind)
    assert convert is not None and type_.item is not None
    return tuple(None if item is None else convert(item, type_.item) for item in value)


_CONVERT: dict[Kind, Callable[[Any, Type], Any]] = {
    Kind.STRING: lambda value, _: value if isinstance(value, str) else None,
    Kind.BOOL: lambda value, _: value if isinstance(value, bool) else None,
    Kind.INT: _integer,
    Kind.FLOAT: _float,
    Kind.DECIMAL: _decimal,
    Kind.TIMESTAMP: lambda value, _: parse_time(value),
    Kind.DATE: lambda value, _: (date.fromisoformat(value) - _DAY_ONE).days,
    Kind.INTERVAL: lambda value, _: round(float(value) * 1_000_000),
    Kind.LIST: _list,
}
