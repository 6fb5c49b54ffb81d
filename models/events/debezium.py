"""Debezium's change records: what each is, and its values as the declared types store them.

Forms: the envelope with and without schema, the flattened row (ExtractNewRecordState), and records captured with their key
(``{"topic": …, "key": …, "value": …}``). Numbers are kept as their text until the declared type is known.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid5

from models.events.ids import NAMESPACE, canonical_json
from models.values.types import Kind, Type

UNAVAILABLE = "__debezium_unavailable_value"
_UNAVAILABLE = (UNAVAILABLE, base64.b64encode(UNAVAILABLE.encode()).decode(), [UNAVAILABLE])
_OPS = frozenset({"c", "u", "d", "r"})
_SCHEMA_UNITS = {
    "io.debezium.time.Timestamp": "ms", "io.debezium.time.MicroTimestamp": "us", "io.debezium.time.NanoTimestamp": "ns",
    "org.apache.kafka.connect.data.Timestamp": "ms",
}  # fmt: skip


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


def read_change(record: Any, parse: Callable[[str], Any]) -> Change:
    """What a parsed JSON value is; ``parse`` reads JSON inside a captured record's texts."""
    key: Any = None
    if isinstance(record, dict) and {"topic", "offset", "value"} <= record.keys():
        key = parse(record["key"]) if record.get("key") else None
        record = parse(record["value"]) if record.get("value") is not None else None
    if isinstance(key, dict) and "payload" in key and "schema" in key:
        key = key["payload"]
    key = key if isinstance(key, dict) else None
    if record is None:
        return Change("tombstone", key=key)
    schema = None
    if isinstance(record, dict) and "payload" in record and "schema" in record:
        schema, record = record["schema"], record["payload"]
    if not isinstance(record, dict):
        return Change("tombstone" if record is None else "unknown", key=key)
    if "op" in record and ("after" in record or "before" in record or "source" in record):
        return _envelope(record, key, schema)
    if "__op" in record or "__deleted" in record:
        return _flat(record, key, schema)
    if record.get("status") in ("BEGIN", "END") or record.keys() <= {"ts_ms", "serverName", "ts_us", "ts_ns"}:
        return Change("marker", key=key)
    return Change("change", "u", record, None, _time(record, None), None, key, schema)


def _envelope(record: Mapping[str, Any], key: Any, schema: Any) -> Change:
    op = str(record["op"])
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
    source = {"ts_ms": record.get("__source_ts_ms"), "lsn": record.get("__lsn"), "table": record.get("__table")}
    return Change("change", op, record, None, _time(source, {"ts_ms": record.get("__ts_ms")}), source, key, schema)


def _time(source: Mapping[str, Any], record: Mapping[str, Any] | None) -> int | None:
    """``source.ts_us``, else ``ts_ms`` of the source, else of the record; microseconds."""
    for values in (source, record or {}):
        for name, factor in (("ts_us", 1), ("ts_ms", 1000)):
            value = values.get(name)
            if value is not None and str(value).lstrip("-").isdigit():
                return int(value) * factor
    return None


def change_id(change: Change, key: Sequence[str]) -> str:
    """The id of a change: connector, db, schema, table, op, primary key, position (contracts: ids of input events)."""
    source = change.source or {}
    row = change.key or {name: (change.row or {}).get(name) for name in key} or change.row or {}
    position: Any = "snapshot"
    if not change.is_snapshot:
        file = source.get("gtid") or (f"{source['file']}:{source.get('pos')}:{source.get('row')}" if source.get("file") else None)
        position = file or [_text(source.get("lsn")), _text(source.get("txId"))]
    identity = [_text(source.get(name)) for name in ("name", "db", "schema", "table")]
    shown = {name: _text(value) for name, value in row.items()}
    return str(uuid5(NAMESPACE, canonical_json([*identity, change.op, shown, position])))


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def units_of(schema: Mapping[str, Any] | None) -> dict[str, tuple[str, int | None]]:
    """For each column of an envelope's schema its time unit ("" if none) and decimal scale."""
    found: dict[str, tuple[str, int | None]] = {}
    if not isinstance(schema, dict):
        return found
    fields = schema.get("fields") or []
    after = next((f.get("fields") for f in fields if isinstance(f, dict) and f.get("field") in ("after", "before")), None)
    for entry in after or fields:
        name = entry.get("name") or ""
        scale = (entry.get("parameters") or {}).get("scale")
        found[entry.get("field", "")] = (_SCHEMA_UNITS.get(name, ""), None if scale is None else int(scale))
    return found


def plain_value(value: Any, type_: Type, unit: str, scale: int | None) -> tuple[Any, str]:
    """A column's JSON value in the form that plain JSON has for the type, and the unit of its number if it is a time.

    Base64 decimals become number text, unavailable values NULL, days stay days.
    """
    if value is None or value in _UNAVAILABLE:
        return None, unit
    if type_.kind is Kind.DECIMAL:
        if isinstance(value, dict) and "value" in value:
            return _unscaled(str(value["value"]), int(value.get("scale") or 0)), unit
        if isinstance(value, str) and type(value) is str:
            return _decimal_text(value, type_.scale if scale is None else scale, has_schema=scale is not None), unit
    return value, unit


def _decimal_text(value: str, scale: int, *, has_schema: bool) -> str:
    bare = value.lstrip("-")
    if bare.replace(".", "", 1).isascii() and bare.replace(".", "", 1).isdigit():
        if "." in bare or len(bare) % 4 or value.startswith("-"):
            return value
        if not has_schema:
            raise ValueError(f"{value!r} may be a number's text or base64; capture with schemas")
    return _unscaled(value, scale)


def _unscaled(text: str, scale: int) -> str:
    """Base64 of a signed big-endian integer as a decimal number's text."""
    try:
        number = int.from_bytes(base64.b64decode(text, validate=True), "big", signed=True)
    except ValueError:
        return text
    digits = str(abs(number)).rjust(scale + 1, "0")
    whole = digits[:-scale] + "." + digits[-scale:] if scale else digits
    return ("-" if number < 0 else "") + whole
