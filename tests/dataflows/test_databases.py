"""Debezium's records of other databases than PostgreSQL, as their documentation describes them; no real server made these."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dataflows.decoding.debezium import DebeziumDecoder
from dataflows.decoding.decoded import IS_CHANGE, IS_DELETE, IS_SNAPSHOT, TIME
from dataflows.decoding.json import raw_rows
from dataflows.decoding.strict_debezium import ChangeReader, ChangeRules
from models.application.resolved.sources import FieldSpec
from models.events.debezium import change_id
from models.values.types import parse_type

FIELDS = {
    name: FieldSpec(name, parse_type(text), (name,))
    for name, text in {"id": "int", "amount": "decimal(12,2)", "at": "timestamp[ms]", "seen": "timestamp", "day": "date"}.items()
}
ROW = {"id": 7, "amount": "EHI=", "at": 1_700_000_000_000, "seen": "2023-11-14T22:13:20Z", "day": 19_675}
MYSQL = {
    "version": "3.7.0.Final", "connector": "mysql", "name": "shop", "ts_ms": 1_700_000_000_000, "snapshot": "false", "db": "bank",
    "sequence": None, "table": "payments", "server_id": 223344, "gtid": None, "file": "mysql-bin.000003", "pos": 4331, "row": 0,
    "thread": 36, "query": None,
}  # fmt: skip
SQL_SERVER = {
    "version": "3.7.0.Final", "connector": "sqlserver", "name": "shop", "ts_ms": 1_700_000_000_000, "snapshot": "false", "db": "bank",
    "sequence": None, "schema": "dbo", "table": "payments", "change_lsn": "00000027:00000758:0003",
    "commit_lsn": "00000027:00000758:0005", "event_serial_no": "2",
}  # fmt: skip


def envelope(source: dict[str, Any], op: str, **more: Any) -> bytes:
    before, after = (ROW if op in "ud" else None), (None if op == "d" else ROW)
    return json.dumps({"before": before, "after": after, "source": {**source, **more}, "op": op, "ts_ms": 1, "transaction": None}).encode()


@pytest.mark.parametrize("source", [MYSQL, SQL_SERVER], ids=["mysql", "sqlserver"])
def test_changes_of_every_kind(source: dict[str, Any]) -> None:
    """Rows, images before, deletions, snapshots with their markers; times in milliseconds, text and days, decimals as base64."""
    decoder = DebeziumDecoder(FIELDS, frozenset(FIELDS), frozenset(), ChangeRules(("id",)))
    raws = [envelope(source, "r", snapshot="last"), envelope(source, "c"), envelope(source, "u"), envelope(source, "d")]
    found = decoder.decode(raw_rows(raws))
    assert not found.dead
    assert [found.columns[IS_CHANGE].at(row) for row in range(4)] == [True] * 4
    assert [found.columns[IS_SNAPSHOT].at(row) for row in range(4)] == [True, False, False, False]
    assert [found.columns[IS_DELETE].at(row) for row in range(4)] == [False, False, False, True]
    assert [found.columns[TIME].at(row) for row in range(4)] == [1_700_000_000_000_000] * 4
    assert found.chunk.fields(2) == {"id": 7, "amount": 4210, "at": 1_700_000_000_000_000, "seen": 1_700_000_000_000_000, "day": 19_675}


@pytest.mark.parametrize(
    ("source", "other"),
    [
        (MYSQL, {"pos": 4332}), (MYSQL, {"row": 1}), (MYSQL, {"file": "mysql-bin.000004"}), (MYSQL, {"gtid": "3e11fa47:5"}),
        (SQL_SERVER, {"change_lsn": "00000027:00000758:0004"}), (SQL_SERVER, {"commit_lsn": "00000028:0:0"}), (SQL_SERVER, {"event_serial_no": "1"}),
    ],
)  # fmt: skip
def test_the_place_in_the_log_tells_changes_apart(source: dict[str, Any], other: dict[str, Any]) -> None:
    """The same place gives the same id, another one another."""
    reader = ChangeReader(FIELDS, frozenset(), ChangeRules(("id",)))
    same, again, different = [
        change_id(reader.read(raw)[1], ("id",)) for raw in (envelope(source, "u"), envelope(source, "u", ts_ms=5), envelope(source, "u", **other))
    ]
    assert same == again and same is not None and different not in (None, same)
