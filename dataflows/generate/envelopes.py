"""Rows of a bank's database as the change records that Debezium's PostgreSQL connector writes, without schemas."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

Row = Mapping[str, Any]
SNAPSHOT_LSN = 26_673_816


@dataclass(slots=True)
class Envelopes:
    """Change records of one table with full replica identity; times in milliseconds."""

    table: str
    key: str
    snapshot_at: int
    lines: list[bytes] = field(default_factory=list)
    rows: dict[str, Row] = field(default_factory=dict)
    lsn: int = SNAPSHOT_LSN
    transaction: int = 728

    def snapshot(self, rows: list[Row]) -> None:
        """The rows as a snapshot reads them, all at one position of the log."""
        last = len(rows) - 1
        for number, row in enumerate(rows):
            self.rows[row[self.key]] = row
            mark = "first_in_data_collection" if number == 0 else "last_in_data_collection" if number == last else "true"
            self._add("r", self.snapshot_at, None, row, mark)

    def insert(self, ts: int, row: Row) -> None:
        """A new row."""
        self.rows[row[self.key]] = row
        self._change("c", ts, None, row)

    def update(self, ts: int, key: str, **columns: Any) -> dict[str, Any]:
        """New values of a row's columns; the record."""
        before = self.rows[key]
        self.rows[key] = {**before, **columns}
        return self._change("u", ts, before, self.rows[key])

    def delete(self, ts: int, key: str) -> None:
        """A row's end."""
        self._change("d", ts, self.rows.pop(key), None)

    def _change(self, op: str, ts: int, before: Row | None, after: Row | None) -> dict[str, Any]:
        self.lsn += 360
        self.transaction += 1
        return self._add(op, ts, before, after, "false")

    def _add(self, op: str, ts: int, before: Row | None, after: Row | None, snapshot: str) -> dict[str, Any]:
        sequence = f'[null,"{self.lsn}"]' if op == "r" else f'["{self.lsn - 360}","{self.lsn}"]'
        source = {
            "version": "3.7.0.Final", "connector": "postgresql", "name": "bank", "ts_ms": ts, "snapshot": snapshot, "db": "bank",
            "sequence": sequence, "ts_us": ts * 1000, "ts_ns": ts * 1_000_000, "schema": "public", "table": self.table,
            "txId": self.transaction, "lsn": self.lsn, "xmin": None, "origin": None, "origin_lsn": None,
        }  # fmt: skip
        seen = ts + 200  # the connector reads the log a little later
        record = {
            "before": before, "after": after, "source": source, "transaction": None, "op": op,
            "ts_ms": seen, "ts_us": seen * 1000, "ts_ns": seen * 1_000_000,
        }  # fmt: skip
        self.lines.append(orjson.dumps(record))
        return record


def precise(cents: int) -> str:
    """A numeric(p,2) as Debezium's default writes it: base64 of the unscaled number, signed, big-endian."""
    return base64.b64encode(cents.to_bytes((cents.bit_length() + 8) // 8, "big", signed=True)).decode()
