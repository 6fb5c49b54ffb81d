"""Debezium's change records: what each is, and its values as the declared types store them.

Forms: the envelope with and without schema, the flattened row (ExtractNewRecordState), and records captured with their key
(``{"topic": …, "key": …, "value": …}``). Numbers are kept as their text until the declared type is known.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.events.ids import canonical_json, identifier
from models.values.types import Kind, Type

UNAVAILABLE = "__debezium_unavailable_value"
_UNAVAILABLE = (UNAVAILABLE, base64.b64encode(UNAVAILABLE.encode()).decode(), [UNAVAILABLE])
_OPS = frozenset({"c", "u", "d", "r"})
_SCHEMA_UNITS = {
    "io.debezium.time.Timestamp": "ms", "io.debezium.time.MicroTimestamp": "us", "io.debezium.time.NanoTimestamp": "ns",
    "org.apache.kafka.connect.data.Timestamp": "ms",
}  # fmt: skip
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_ENDLESS = frozenset({
    "9223372036825200000", "-9223372036832400000", "9223372036825200", "-9223372036832400", "9223372036854775807",
    "-9223372036854775808", "2146033979", "-2147472691", "infinity", "-infinity",
})  # fmt: skip
_YEARS = {"ms": 10**15, "us": 10**18, "ns": 9 * 10**18, "": 10**18}


@dataclass(frozen=True, slots=True)
class Shape:
    """What a schema says of a column: the unit of its times ("" if none), the decimals of its numbers, whether it is text."""

    unit: str = ""
    scale: int | None = None
    is_text: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One change: ``kind`` change, tombstone, truncate, message, marker (transaction, heartbeat) or unknown.

    row: the row after it (of a deletion, what is known of the row before); times in microseconds or None.
    """

    kind: str
    op: str = ""
    row: Mapping[str, Any] | None = None
    before: Mapping[str, Any] | None = None
    time: int | None = None
    source: Mapping[str, Any] | None = None
    key: Mapping[str, Any] | None = None
    schema: Mapping[str, Any] | None = None

    @property
    def is_snapshot(self) -> bool:
        """Whether it is a row read by a snapshot."""
        return self.op == "r"

    @property
    def is_delete(self) -> bool:
        """Whether the row is gone after it."""
        return self.op == "d"


def read_change(record: Any, parse: Callable[[str], Any], key: Any = None) -> Change:
    """What a parsed JSON value is, and the record's ``key``; ``parse`` reads JSON inside a captured record's texts."""
    if isinstance(record, dict) and {"topic", "offset", "value"} <= record.keys() and not _is_flat(record):
        key = parse(record["key"]) if record.get("key") else None
        record = parse(record["value"]) if record.get("value") is not None else None
    if isinstance(key, dict) and "payload" in key and "schema" in key:
        key = key["payload"]
    key = key if isinstance(key, dict) else None
    if record is None:
        return Change("tombstone", key=key)
    schema = None
    if isinstance(record, dict) and "payload" in record and "schema" in record and not _is_flat(record):
        schema, record = record["schema"], record["payload"]
    if not isinstance(record, dict):
        return Change("tombstone" if record is None else "unknown", key=key)
    if _is_flat(record):
        return _flat(record, key, schema)
    if "op" in record and ("after" in record or "before" in record or "source" in record):
        return _envelope(record, key, schema)
    if record.get("status") in ("BEGIN", "END") or record.keys() <= {"ts_ms", "serverName", "ts_us", "ts_ns"}:
        return Change("marker", key=key)
    return Change("change", "u", record, None, _time(record, None), None, key, schema)


def _is_flat(record: Mapping[str, Any]) -> bool:
    return "__op" in record or "__deleted" in record


def _envelope(record: Mapping[str, Any], key: Any, schema: Any) -> Change:
    op = record["op"] if isinstance(record["op"], str) else ""
    source = record.get("source") if isinstance(record.get("source"), dict) else None
    time = _time(source or {}, record)
    before = record.get("before") if isinstance(record.get("before"), dict) else None
    after = record.get("after") if isinstance(record.get("after"), dict) else None
    if op == "t":
        return Change("truncate", op, time=time, source=source, key=key)
    if op == "m":
        return Change("message", op, time=time, source=source, key=key)
    if op not in _OPS:
        return Change("unknown", op, key=key)
    row = (key or before) if op == "d" else after
    return Change("change" if row is not None else "unknown", op, row, before, time, source, key, schema)


def _flat(record: Mapping[str, Any], key: Any, schema: Any) -> Change:
    op = "d" if str(record.get("__deleted")).lower() == "true" else str(record.get("__op") or "u")
    names = {"ts_us": "__source_ts_us", "ts_ms": "__source_ts_ms", "lsn": "__lsn", "table": "__table"}
    source = {name: record.get(of) for name, of in names.items()}
    kind = {"t": "truncate", "m": "message"}.get(op, "change" if op in _OPS else "unknown")
    return Change(kind, op, record, None, _time(source, {"ts_ms": record.get("__ts_ms")}), source, key, schema)


def _time(source: Mapping[str, Any], record: Mapping[str, Any] | None) -> int | None:
    """``source.ts_us``, else ``ts_ms`` of the source, else of the record; microseconds."""
    for values in (source, record or {}):
        for name, factor in (("ts_us", 1), ("ts_ms", 1000)):
            value = values.get(name)
            if isinstance(value, str) and _INTEGER.fullmatch(value):
                return int(value) * factor
    return None


def change_id(change: Change, key: Sequence[str]) -> str | None:
    """The id of a change: connector, db, schema, table, op, primary key, position (contracts: ids of input events).

    None where that would not tell it from others: without a position, or for a snapshot's row without a key.
    """
    source = change.source or {}
    row = change.key or {name: (change.row or {}).get(name) for name in key}
    position: Any = "snapshot"
    if not change.is_snapshot:
        position = _position(source)
    if (change.is_snapshot and not row) or position is None:
        return None
    identity = [_text(source.get(name)) for name in ("name", "db", "schema", "table")]
    shown = {name: _text(value) for name, value in (row or change.row or {}).items()}
    return identifier(canonical_json([*identity, change.op, shown, position]))


def _position(source: Mapping[str, Any]) -> Any:
    """Where a change stands in its database's log: MySQL, SQL Server, else PostgreSQL; None if that is not known."""
    if source.get("gtid") or source.get("file"):
        return source.get("gtid") or f"{source['file']}:{source.get('pos')}:{source.get('row')}"
    names = ("commit_lsn", "change_lsn", "event_serial_no") if source.get("commit_lsn") else ("lsn", "txId")
    found = [_text(source.get(name)) for name in names]
    return found if any(each is not None for each in found) else None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def shapes_of(schema: Mapping[str, Any] | None) -> dict[str, Shape]:
    """What an envelope's (or flattened row's) schema says of each column."""
    found: dict[str, Shape] = {}
    if not isinstance(schema, dict):
        return found
    fields = schema.get("fields") or []
    after = next((f.get("fields") for f in fields if isinstance(f, dict) and f.get("field") in ("after", "before")), None)
    for entry in after or fields:
        scale = (entry.get("parameters") or {}).get("scale")
        unit = _SCHEMA_UNITS.get(entry.get("name") or "", "")
        found[entry.get("field", "")] = Shape(unit, None if scale is None else int(scale), entry.get("type") == "string")
    return found


def is_number(text: str) -> bool:
    """Whether a text is a decimal number."""
    return _NUMBER.fullmatch(text) is not None


def is_unavailable(value: Any) -> bool:
    """Whether a value says that it was not captured because it did not change."""
    return value in _UNAVAILABLE


def is_infinite(value: Any, type_: Type, unit: str) -> bool:
    """Whether a value stands for PostgreSQL's infinite time or date."""
    if type_.kind not in (Kind.TIMESTAMP, Kind.DATE) or not isinstance(value, str) or value not in _ENDLESS:
        return False
    if value.endswith("infinity"):
        return True
    return abs(int(value)) > (10**9 if type_.kind is Kind.DATE else _YEARS.get(unit, 10**18))


def plain_value(value: Any, type_: Type, shape: Shape) -> Any:
    """A column's JSON value in the form that plain JSON has for the type.

    Base64 decimals become number text, unavailable values NULL, days stay days, ISO dates lose their Z.

    Raises:
        ValueError: for what may be a number's text or base64.
    """
    if value is None or is_unavailable(value):
        return None
    if type_.kind is Kind.DECIMAL:
        if isinstance(value, dict) and "value" in value:
            return _unscaled(str(value["value"]), int(value.get("scale") or 0))
        if isinstance(value, str) and type(value) is str:
            return _decimal_text(value, type_.scale, shape)
    if type_.kind is Kind.DATE and type(value) is str and len(value) == 11 and value.endswith("Z"):
        return value[:-1]
    return value


def _decimal_text(value: str, scale: int, shape: Shape) -> str:
    if shape.scale is None and (shape.is_text or _NUMBER.fullmatch(value)):
        if shape.is_text or "." in value or "-" in value or len(value) % 4:
            return value
        raise ValueError(f"{value!r} may be a number's text or base64; capture with schemas")
    return _unscaled(value, scale if shape.scale is None else shape.scale)


def _unscaled(text: str, scale: int) -> str:
    """Base64 of a signed big-endian integer as a decimal number's text."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        return text
    if not raw or len(raw) > 64 or not 0 <= scale <= 100:
        raise ValueError(f"{text[:80]!r} is no number with {scale} decimals")
    number = int.from_bytes(raw, "big", signed=True)
    digits = str(abs(number)).rjust(scale + 1, "0")
    whole = digits[:-scale] + "." + digits[-scale:] if scale else digits
    return ("-" if number < 0 else "") + whole
