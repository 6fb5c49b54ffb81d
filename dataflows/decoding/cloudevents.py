"""CloudEvents 1.0 to typed columns: structured mode as lines of JSON, binary mode as a log's records with ``ce_`` headers."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.decoding.decoded import PADDING, DeadRow, Decoded, RawRows, Reason, rows_state
from dataflows.decoding.json import raw_rows
from dataflows.decoding.kernels_members import split_member
from dataflows.decoding.scanned import Scanned, Scanner
from dataflows.decoding.strict import REPEATED, Bad, parse, values_of
from models.application.resolved.sources import FieldSpec
from models.values.types import STRING

REQUIRED = ("specversion", "id", "source", "type")
"""Attributes that every CloudEvent has (CloudEvents 1.0.2, required attributes)."""
DATA = "data"
_NAME = np.frombuffer(DATA.encode(), np.uint8)


class CloudEventsDecoder:
    """Decodes events: fields with a path into ``data``, and attributes; ``first`` are judged before the others."""

    def __init__(self, fields: Mapping[str, FieldSpec], wanted: frozenset[str], first: frozenset[str]) -> None:
        self.reader = EventReader(fields, first)
        inner = {n: FieldSpec(n, s.type, s.path[1:], s.pii) for n, s in fields.items() if s.path[0] == DATA}
        outer = {n: s for n, s in fields.items() if s.path[0] != DATA}
        known = {f"ce.{name}": FieldSpec(f"ce.{name}", STRING, (name,)) for name in REQUIRED}
        self.data, self.attributes = Scanner(inner, wanted), Scanner({**known, **outer}, wanted)
        self.required = [list(self.attributes.declared).index(name) for name in known]

    def decode(self, rows: RawRows) -> Decoded:
        """Decode whole events, in order."""
        data, attributes = self._scan(rows)
        dead: list[DeadRow] = []
        for row in np.flatnonzero(data.odd | attributes.odd).tolist():
            values, bad = self.reader.read(rows.bytes_at(row), None if rows.headers is None else rows.headers[row])
            if bad is not None:
                dead.append(DeadRow(row, bad.reason, bad.field, bad.detail))
            data.put(row, values)
            attributes.put(row, values)
        columns = {**data.columns(), **attributes.columns()}
        return Decoded(len(rows), columns, EventChunk(rows, self.reader), dead)

    def _scan(self, rows: RawRows) -> tuple[Scanned, Scanned]:
        n = len(rows)
        spans = np.zeros((n, 2), np.int64)
        start, stop = np.zeros(n, np.int64), np.zeros(n, np.int64)
        room = int((rows.stop - rows.start).clip(0).sum()) + 5 * n + PADDING
        out = np.zeros(room, np.uint8)
        if rows.headers is None and self.data.plain and self.attributes.plain:
            split_member(rows.data, rows.start, rows.stop, _NAME, spans, out, start, stop)
        data = self.data.scan(rows.data, np.ascontiguousarray(spans[:, 0]), np.ascontiguousarray(spans[:, 1]))
        attributes = self.attributes.scan(out, start, stop)
        for place in self.required:
            attributes.odd |= attributes.lengths[place] == 0
        version = self.required[0]
        at, length = attributes.ints[version], attributes.lengths[version]
        attributes.odd |= (length != 3) | (out[at] != 49) | (out[at + 1] != 46) | (out[at + 2] != 48)
        return data, attributes


class EventReader:
    """The strict reading of one event: the definition of every verdict."""

    def __init__(self, fields: Mapping[str, FieldSpec], first: frozenset[str]) -> None:
        self.declared = fields
        self.first = first
        self.top = frozenset([spec.path[0] for spec in fields.values()]) | {DATA, *REQUIRED}
        self.inner = frozenset(spec.path[1] for spec in fields.values() if spec.path[0] == DATA)

    def read(self, raw: bytes, headers: Any = None) -> tuple[dict[str, Any], Bad | None]:
        """All declared fields as stored values, and the first problem."""
        try:
            event = self.event(raw, headers)
        except Bad as bad:
            return {}, bad
        return values_of(event, self.declared, self.first)

    def event(self, raw: bytes, headers: Any = None) -> dict[str, Any]:
        """The event as one object with its data parsed.

        Raises:
            Bad: when it is no CloudEvent with a JSON object as its data.
        """
        event = _bound(raw, headers) if _is_binary(headers) else parse(raw, self.top)
        missing = [name for name in REQUIRED if not isinstance(event.get(name), str) or not event[name]]
        if missing:
            raise Bad(Reason.ENVELOPE, f"expected a CloudEvent; found none: it has no {missing[0]!r}")
        if event["specversion"] != "1.0":
            raise Bad(Reason.ENVELOPE, f"expected specversion '1.0'; found {event['specversion'][:20]!r}")
        if event.get(DATA) is None and isinstance(event.get("data_base64"), str):
            event[DATA] = _decoded(event["data_base64"])
        data = event.get(DATA)
        if data is not None and not isinstance(data, dict):
            raise Bad(Reason.ENVELOPE, "expected data as a JSON object")
        repeated = [key for key in (data or {}).get(REPEATED, []) if key in self.inner]
        if repeated:
            raise Bad(Reason.DUPLICATE_KEY, f"key {repeated[0]!r} stands twice in data")
        return event


@dataclass(frozen=True, slots=True)
class EventChunk:
    """Events as JSON text."""

    rows: RawRows
    reader: EventReader

    def fields(self, row: int) -> dict[str, Any]:
        """All declared fields of a good row, and the attributes that it has."""
        found = self.reader.read(self.raw(row), self._headers(row))[0]
        return {name: value for name, value in found.items() if value is not None or not name.startswith("ce.")}

    def raw(self, row: int) -> bytes:
        """The event's bytes."""
        return self.rows.bytes_at(row)

    def attributes(self, row: int) -> dict[str, str]:
        """The event's attributes as text."""
        event = self.reader.event(self.raw(row), self._headers(row))
        return {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in event.items()
            if name not in (DATA, "data_base64") and value is not None and not isinstance(value, dict | list)
        }

    def take(self, rows: NDArray[np.int64]) -> EventChunk:
        """Only these events, with bytes of their own."""
        own = raw_rows([self.raw(int(row)) for row in rows])
        headers = None if self.rows.headers is None else [self.rows.headers[int(row)] for row in rows]
        kept = RawRows(own.data, own.start, own.stop, own.offset, headers=headers)
        return EventChunk(kept, self.reader)

    def snapshot(self) -> dict[str, Any]:
        """The events' bytes in structured mode."""
        n = len(self.rows)
        whole = [self._structured(row) if _is_binary(self._headers(row)) else self.raw(row) for row in range(n)]
        return rows_state("cloudevents", raw_rows(whole))

    def _headers(self, row: int) -> Any:
        return None if self.rows.headers is None else self.rows.headers[row]

    def _structured(self, row: int) -> bytes:
        attributes = {name: _text(value) for name, value in self._headers(row) if name.startswith("ce_")}
        head = json.dumps({name.removeprefix("ce_"): value for name, value in attributes.items()})
        return head[:-1].encode() + b',"data":' + (self.raw(row) or b"null") + b"}"


def _is_binary(headers: Any) -> bool:
    return bool(headers) and any(name == "ce_specversion" for name, _ in headers)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _bound(raw: bytes, headers: Any) -> dict[str, Any]:
    """An event in binary mode (Kafka protocol binding: ``ce_`` headers hold the attributes, the value its data)."""
    event: dict[str, Any] = {str(name).removeprefix("ce_"): _text(value) for name, value in headers if str(name).startswith("ce_")}
    event[DATA] = parse(raw, frozenset()) if raw else None
    return event


def _decoded(text: str) -> dict[str, Any]:
    try:
        return parse(base64.b64decode(text, validate=True), frozenset())
    except binascii.Error:
        raise Bad(Reason.ENVELOPE, "data_base64 is no base64") from None
