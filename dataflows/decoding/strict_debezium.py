"""The strict reading of one Debezium record: the definition of every verdict. The fast decoder must agree with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dataflows.decoding.decoded import Reason
from dataflows.decoding.framing import without_frame
from dataflows.decoding.moments import MAX_DATE, MAX_TIME, MIN_DATE, MIN_TIME
from dataflows.decoding.strict import Bad, Number, check_text, convert
from models.application.resolved.sources import FieldSpec
from models.events.debezium import Change, Shape, is_infinite, is_number, is_unavailable, plain_value, read_change, shapes_of
from models.values.types import Kind

_NOT_FINITE = frozenset({"NAN", "NaN", "POSITIVE_INFINITY", "NEGATIVE_INFINITY", "Infinity", "-Infinity"})
_ENVELOPE = frozenset({"before", "after", "op", "source", "ts_ms", "ts_us", "schema", "payload", "topic", "offset", "value", "key"})
TIME_FIELD = "__time"
MOST_KEPT = 60
"""Fields whose values a change may leave as they were."""
_FILLERS = ("", 0, 0.0, False)


@dataclass(frozen=True, slots=True)
class ChangeRules:
    """How a source wants its changes read.

    key: fields of the primary key, where known; timed: whether a change must carry its time; whole_before: whether images
    before the change are whole; is_table: of a deletion only the key counts.
    """

    key: tuple[str, ...] = ()
    timed: bool = True
    whole_before: bool = False
    is_table: bool = True


class Repeated(dict[str, Any]):
    """An object with keys that stand twice: ``keys_twice``."""

    keys_twice: frozenset[str] = frozenset()


class ChangeReader:
    """Reads records of one source; fields in ``first`` are judged before the others."""

    def __init__(self, fields: Mapping[str, FieldSpec], first: frozenset[str], rules: ChangeRules) -> None:
        self.declared = fields
        self.first = first
        self.rules = rules
        self.top = frozenset(spec.path[0] for spec in fields.values())

    def read(self, raw: bytes | None, key: bytes | None = None) -> tuple[dict[str, Any], Change, Bad | None]:
        """One record's stored values, what it is, and the first problem; ``raw`` None is a record without a value."""
        try:
            record = None if raw is None else parse_record(raw)
            change = read_change(record, lambda text: parse_record(text.encode("utf-8", "surrogatepass")), key_of(key))
        except Bad as bad:
            return {}, Change("unknown"), bad
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            return {}, Change("unknown"), Bad(Reason.ENVELOPE, f"not a Debezium record: {error}")
        if change.kind == "unknown":
            return {}, change, Bad(Reason.ENVELOPE, "expected a Debezium change; found another record")
        if change.kind != "change":
            return {}, change, None
        if self.rules.timed and (change.time is None or not MIN_TIME <= change.time <= MAX_TIME):
            detail = "expected a change's time in source.ts_us or ts_ms; found none that fits. Or name a field of the row as time"
            return {}, change, Bad(Reason.TIME_RANGE, detail)
        return self._values(change)

    def key_values(self, change: Change) -> tuple[dict[str, Any], Bad | None]:
        """The key's fields of a table's tombstone, as of a deletion."""
        found, _, bad = self._values(replace(change, kind="change", op="d"))
        return found, bad

    def unchanged(self, change: Change) -> int:
        """A bit for each declared field whose value was not captured since it did not change."""
        if change.kind != "change" or change.is_delete:
            return 0
        values = (_at(change.row, spec.path) for spec in self.declared.values())
        return sum(1 << place for place, value in enumerate(values) if is_unavailable(value) and place < MOST_KEPT)

    def _values(self, change: Change) -> tuple[dict[str, Any], Change, Bad | None]:
        row = self._row(change)
        twice = row.keys_twice & self.top if isinstance(row, Repeated) else frozenset()
        if twice:
            return {}, change, Bad(Reason.DUPLICATE_KEY, f"key {min(twice)!r} stands twice")
        try:
            shapes = shapes_of(change.schema)
        except (ValueError, TypeError, AttributeError) as error:
            return {}, change, Bad(Reason.ENVELOPE, f"its schema cannot be read: {error}")
        found: dict[str, Any] = {}
        problems: list[Bad] = []
        for name, spec in self.declared.items():
            if change.is_delete and self.rules.is_table and name not in self.rules.key:
                continue
            try:
                found[name] = self._field(change, row, spec, shapes)
            except Bad as bad:
                bad.field = name
                problems.append(bad)
            except (ValueError, TypeError, AttributeError) as error:
                problems.append(Bad(Reason.TYPE, f"field {name!r}: expected {spec.type.required()}: {error}", name))
        self._compare(change, row, found)
        early = [bad for bad in problems if bad.field in self.first]
        return found, change, next(iter(early or problems), None)

    def _row(self, change: Change) -> Mapping[str, Any]:
        """The row that the fields are of: of a deletion what is certain of it."""
        if not change.is_delete:
            return change.row or {}
        if self.rules.is_table:
            return {**(change.before or change.row or {}), **(change.key or {})}
        if self.rules.whole_before and change.before is not None:
            return change.before
        return change.key or change.before or change.row or {}

    def _field(self, change: Change, row: Mapping[str, Any], spec: FieldSpec, shapes: Mapping[str, Shape]) -> Any:
        if spec.name == TIME_FIELD:
            return change.time
        if spec.path == ("__op",):
            return change.op
        if spec.path[0] == "__changed":
            return None
        if spec.path[0] == "__before":
            return _value(change.before, spec.path[1:], spec, shapes, required=False)
        lacks = change.is_delete or (self.rules.is_table and is_unavailable(_at(row, spec.path)))
        value = _value(row, spec.path, spec, shapes, required=not lacks)
        uncertain = change.is_delete and not self.rules.is_table and not self.rules.whole_before and not change.key
        filler = uncertain and spec.name not in self.rules.key and value in _FILLERS
        return None if filler else value

    def _compare(self, change: Change, row: Mapping[str, Any], found: dict[str, Any]) -> None:
        """What changed, by the values before and after: NULL without both."""
        for name, spec in self.declared.items():
            if spec.path[0] == "__changed":
                of = spec.path[1]
                known = not change.is_delete and change.before is not None and f"before.{of}" in found and of in found
                kept = known and is_unavailable(_at(row, self.declared[of].path))
                found[name] = (not kept and found[f"before.{of}"] != found[of]) if known else None


def _at(image: Mapping[str, Any] | None, path: tuple[str, ...]) -> Any:
    value: Any = image
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _value(
    image: Mapping[str, Any] | None, path: tuple[str, ...], spec: FieldSpec, shapes: Mapping[str, Shape], *, required: bool
) -> Any:
    value = _at(image, path)
    shape = shapes.get(path[-1], Shape())
    type_ = spec.type
    if isinstance(value, str) and value in _NOT_FINITE and type_.is_number:
        raise Bad(Reason.NOT_FINITE, f"field {spec.name!r}: {value} is no finite number")
    if is_infinite(value, type_, shape.unit or type_.unit):
        if type_.optional or not required:
            return None
        raise Bad(Reason.TIME_RANGE, f"field {spec.name!r}: {value} lies outside the years 1 to 9999")
    value = plain_value(value, type_, shape)
    if value is None:
        if type_.optional or not required:
            return None
        raise Bad(Reason.MISSING, f"field {spec.name!r} is missing or null")
    if type_.kind is Kind.DATE and isinstance(value, Number):
        days = int(value)
        if not MIN_DATE <= days <= MAX_DATE:
            raise Bad(Reason.TIME_RANGE, f"field {spec.name!r}: {value} lies outside the years 1 to 9999")
        return days
    if type_.kind is Kind.DECIMAL and isinstance(value, str):
        value = Number(value) if is_number(value) else value
    return convert(value, replace(type_, unit=shape.unit) if shape.unit and type_.kind is Kind.TIMESTAMP else type_, spec.name)


def key_of(key: bytes | None) -> Any:
    """A record's key, None where it has none that is JSON: a key of another form only says nothing."""
    try:
        return parse_record(without_frame(key)) if key else None
    except Bad:
        return None


def parse_record(raw: bytes) -> Any:
    """JSON with numbers as text; objects with keys that stand twice are ``Repeated``.

    Raises:
        Bad: when it is no JSON, no UTF-8, or an envelope's own key stands twice.
    """
    try:
        value = json.loads(
            raw.decode("utf-8"), parse_int=Number, parse_float=Number, parse_constant=_constant, object_pairs_hook=_object
        )
    except Bad:
        raise
    except UnicodeDecodeError as error:
        raise Bad(Reason.ENCODING, f"not UTF-8 at byte {error.start}") from None
    except (ValueError, RecursionError) as error:
        raise Bad(Reason.SYNTAX, f"not JSON: {error}") from None
    if b"\\u" in raw:
        check_text(value)
    for outer in (value, value.get("payload") if isinstance(value, dict) else None):
        if isinstance(outer, Repeated) and outer.keys_twice & _ENVELOPE:
            raise Bad(Reason.DUPLICATE_KEY, f"key {min(outer.keys_twice & _ENVELOPE)!r} stands twice")
    source = value.get("source") if isinstance(value, dict) else None
    if isinstance(source, Repeated) and source.keys_twice & {"ts_ms", "ts_us"}:
        raise Bad(Reason.DUPLICATE_KEY, "a source's time stands twice")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    keys = [key for key, _ in pairs]
    repeated = Repeated(found)
    repeated.keys_twice = frozenset(key for key in keys if keys.count(key) > 1)
    return repeated


def _constant(name: str) -> Any:
    raise Bad(Reason.NOT_FINITE, f"{name} is no JSON number")
