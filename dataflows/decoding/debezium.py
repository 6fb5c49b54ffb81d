"""Debezium change records to typed columns: of tables, and of streams of changes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.changes import IS_CHANGE, IS_DELETE, IS_SNAPSHOT, TIME
from dataflows.decoding.decoded import DeadRow, Decoded, RawRows, Reason, rows_state
from dataflows.decoding.json import raw_rows
from dataflows.decoding.moments import MAX_TIME, MIN_TIME
from dataflows.decoding.strict import Bad, Number, check_text, convert
from models.application.resolved import FieldSpec
from models.events.debezium import Change, change_id, plain_value, read_change, units_of
from models.values.column import Column, column_of
from models.values.types import BOOL, TIMESTAMP, Kind

_NOT_FINITE = frozenset({"NAN", "NaN", "POSITIVE_INFINITY", "NEGATIVE_INFINITY", "Infinity", "-Infinity"})


class DebeziumDecoder:
    """Decodes changes; besides the wanted fields come the time, and whether a row is a snapshot's, a deletion, a change."""

    def __init__(
        self, fields: Mapping[str, FieldSpec], wanted: frozenset[str], first: frozenset[str], key: Sequence[str] = ()
    ) -> None:
        self.declared = fields
        self.wanted = wanted
        self.first = first
        self.key = tuple(key)

    def decode(self, rows: RawRows) -> Decoded:
        """Decode whole records, in order."""
        values: dict[str, list[Any]] = {name: [] for name in self.wanted}
        changes: list[tuple[int, bool, bool, bool]] = []
        dead: list[DeadRow] = []
        for row in range(len(rows)):
            found, change, bad = self.read(rows.bytes_at(row))
            if bad is not None:
                dead.append(DeadRow(row, bad.reason, bad.field, bad.detail))
            for name, column in values.items():
                column.append(found.get(name))
            is_change = change.kind == "change"
            changes.append((change.time or 0, change.is_snapshot, change.is_delete, is_change))
        columns = {name: column_of(self.declared[name].type, column) for name, column in values.items()}
        columns.update(_marks(changes))
        return Decoded(len(rows), columns, DebeziumChunk(rows, self), dead)

    def read(self, raw: bytes) -> tuple[dict[str, Any], Change, Bad | None]:
        """One record's stored values, what it is, and the first problem."""
        try:
            change = read_change(_parse(raw), lambda text: _parse(text.encode()))
        except Bad as bad:
            return {}, Change("unknown"), bad
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            return {}, Change("unknown"), Bad(Reason.ENVELOPE, f"not a Debezium record: {error}")
        if change.kind != "change":
            bad_envelope = (
                Bad(Reason.ENVELOPE, "expected a Debezium change; found another record") if change.kind == "unknown" else None
            )
            return {}, change, bad_envelope
        if change.time is None or not MIN_TIME <= change.time <= MAX_TIME:
            return {}, change, Bad(Reason.TIME_RANGE, "expected a change's time in source.ts_us or ts_ms; found none that fits")
        return self._values(change)

    def _values(self, change: Change) -> tuple[dict[str, Any], Change, Bad | None]:
        try:
            units = units_of(change.schema)
        except (ValueError, TypeError, AttributeError) as error:
            return {}, change, Bad(Reason.ENVELOPE, f"its schema cannot be read: {error}")
        found: dict[str, Any] = {}
        for name, spec in self.declared.items():
            if change.is_delete and self.key and name not in self.key:
                continue
            try:
                found[name] = self._value(change, spec, units)
            except Bad as bad:
                bad.field = name
                return found, change, bad
            except (ValueError, TypeError, AttributeError) as error:
                return found, change, Bad(Reason.TYPE, f"field {name!r}: expected {spec.type.required()}: {error}", name)
        return found, change, None

    def _value(self, change: Change, spec: FieldSpec, units: Mapping[str, tuple[str, int | None]]) -> Any:
        if spec.name == "__time":
            return change.time
        if spec.name == "op":
            return change.op
        if spec.name.startswith("changed("):
            return self._changed(change, spec.name[8:-1])
        image = change.before if spec.path[0] == "before" and "." in spec.name else change.row
        value: Any = image
        for part in spec.path[1:] if image is change.before and "." in spec.name else spec.path:
            value = value.get(part) if isinstance(value, dict) else None
        unit, scale = units.get(spec.path[-1], ("", None))
        if isinstance(value, str) and value in _NOT_FINITE and spec.type.is_number:
            raise Bad(Reason.NOT_FINITE, f"field {spec.name!r}: {value} is no finite number")
        value, unit = plain_value(value, spec.type, unit, scale)
        if value is None:
            if spec.type.optional or image is None or change.is_delete:
                return None
            raise Bad(Reason.MISSING, f"field {spec.name!r} is missing or null")
        if spec.type.kind is Kind.DATE and isinstance(value, Number):
            return int(value)
        if spec.type.kind is Kind.DECIMAL and isinstance(value, str):
            value = Number(value)
        type_ = replace(spec.type, unit=unit or spec.type.unit) if spec.type.kind is Kind.TIMESTAMP else spec.type
        return convert(value, type_, spec.name)

    def _changed(self, change: Change, name: str) -> bool | None:
        if change.is_delete or change.before is None or change.row is None or name not in change.before:
            return None
        return bool(change.before.get(name) != change.row.get(name))


@dataclass(frozen=True, slots=True)
class DebeziumChunk:
    """Change records as JSON text."""

    rows: RawRows
    decoder: DebeziumDecoder

    def fields(self, row: int) -> dict[str, Any]:
        """All declared fields."""
        return self.decoder.read(self.raw(row))[0]

    def raw(self, row: int) -> bytes:
        """The record's bytes."""
        return self.rows.bytes_at(row)

    def attributes(self, row: int) -> dict[str, str]:
        """The change's id."""
        return {"id": change_id(self.decoder.read(self.raw(row))[1], self.decoder.key)}

    def take(self, rows: NDArray[np.int64]) -> DebeziumChunk:
        """Only these records, with bytes of their own."""
        return DebeziumChunk(raw_rows([self.raw(int(row)) for row in rows]), self.decoder)

    def snapshot(self) -> dict[str, Any]:
        """The records' bytes."""
        return rows_state("debezium", self.rows)


def _marks(changes: Sequence[tuple[int, bool, bool, bool]]) -> dict[str, Column]:
    time, snapshot, delete, change = (list(part) for part in zip(*changes, strict=True)) if changes else ([], [], [], [])
    return {
        TIME: Column(TIMESTAMP, np.array(time, np.int64)),
        IS_SNAPSHOT: Column(BOOL, np.array(snapshot, np.bool_)),
        IS_DELETE: Column(BOOL, np.array(delete, np.bool_)),
        IS_CHANGE: Column(BOOL, np.array(change, np.bool_)),
    }


def _parse(raw: bytes) -> Any:
    try:
        value = json.loads(raw.decode("utf-8"), parse_int=Number, parse_float=Number)
        if b"\\u" in raw:
            check_text(value)
        return value
    except UnicodeDecodeError as error:
        raise Bad(Reason.ENCODING, f"not UTF-8 at byte {error.start}") from None
    except (ValueError, RecursionError) as error:
        raise Bad(Reason.SYNTAX, f"not JSON: {error}") from None
