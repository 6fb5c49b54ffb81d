"""Captured Debezium records: every one is read as what it is, and every mode of the connector gives the same values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dataflows.decoding.cloudevents import CloudEventsDecoder
from dataflows.decoding.debezium import DebeziumDecoder
from dataflows.decoding.decoded import IS_CHANGE, IS_DELETE, DeadRow, Reason
from dataflows.decoding.json import raw_rows
from dataflows.decoding.strict import Number
from dataflows.decoding.strict_debezium import ChangeReader, ChangeRules
from models.application.resolved.sources import FieldSpec
from models.events.debezium import change_id, read_change
from models.values.types import parse_type

FOLDER = Path(__file__).parent.parent.parent.parent / "shared" / "data" / "debezium"
FILES = sorted(path for path in FOLDER.glob("*.jsonl") if path.stem not in ("cloudevents", "outbox_default", "outbox_expanded"))
FIELDS = {
    "id": "int", "amount": "decimal(12,2)", "fx_rate": "decimal(18,8)?", "status": "string", "ts": "timestamp",
    "booked_at": "timestamp[us]?", "value_date": "date?", "meta": "string?", "is_online": "bool?",
}  # fmt: skip


def records(stem: str, topic: str = "") -> list[bytes]:
    """A file's records, of one topic or all."""
    lines = [line for line in (FOLDER / f"{stem}.jsonl").read_bytes().split(b"\n") if line]
    return [line for line in lines if json.loads(line)["topic"].endswith(topic)]


def specs(**types: str) -> dict[str, FieldSpec]:
    """Declared fields."""
    return {name: FieldSpec(name, parse_type(text), (name,)) for name, text in types.items()}


def kind_of(line: bytes) -> str:
    """What a record is, told by its topic and its op."""
    record = json.loads(line)
    if record["topic"].endswith(".transaction") or record["topic"].startswith("__debezium-heartbeat"):
        return "marker"
    value = json.loads(record["value"]) if record["value"] is not None else None
    if value is None:
        return "tombstone"
    value = value.get("payload", value)
    return {"m": "message", "t": "truncate"}.get(value.get("op") or value.get("__op"), "change")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_record_is_known(path: Path) -> None:
    """Changes, tombstones, truncations, messages, transaction markers and heartbeats are told apart."""

    def parse(text: str) -> Any:
        return json.loads(text, parse_int=Number, parse_float=Number)

    for line in records(path.stem):
        change = read_change(parse(line.decode()), parse)
        if path.stem.startswith("flat") and json.loads(line)["topic"].endswith(".message"):
            assert change.kind in ("message", "change"), "flattened, a message is a row of its own"
            continue
        assert change.kind == kind_of(line), line


def changes(stem: str, **types: str) -> tuple[set[tuple[Any, ...]], list[DeadRow]]:
    """What became of the payments of a file, and its dead letters."""
    fields = specs(**{**FIELDS, **types})
    decoder = DebeziumDecoder(fields, frozenset(fields), frozenset(), ChangeRules(("id",), timed=False))
    found = decoder.decode(raw_rows(records(stem, ".bank.transactions")))
    rows = set()
    for row in range(found.n):
        if found.columns[IS_CHANGE].at(row) and row not in {dead.row for dead in found.dead}:
            values = tuple(found.columns[name].at(row) for name in fields)
            rows.add((True, values[0]) if found.columns[IS_DELETE].at(row) else (False, *values))
    return rows, list(found.dead)


@pytest.mark.parametrize(
    ("stem", "types"),
    [
        ("envelope_schema", {}), ("decimal_precise_schema", {}), ("decimal_numeric_format", {}), ("decimal_string", {}),
        ("exactly_once", {}), ("time_connect", {"booked_at": "timestamp[ms]?"}), ("time_isostring", {"booked_at": "timestamp?"}),
        ("flat_default", {}), ("flat_rewrite", {}), ("flat_rewrite_with_tombstone", {}),
    ],
)  # fmt: skip
def test_every_mode_gives_the_same_values(stem: str, types: dict[str, str]) -> None:
    """With and without schema, flattened or not, decimals and times of every mode: the same payments, exactly."""
    assert changes(stem, **types) == (changes("envelope_noschema")[0], [])


def test_a_decimal_that_became_a_double_is_judged_as_it_came() -> None:
    """What the lossy mode cannot hold is no decimal any more; all else is equal."""
    found, dead = changes("decimal_double")
    whole = changes("envelope_noschema")[0]
    assert [(row.reason, row.field) for row in dead] == [(Reason.TYPE, "fx_rate")]
    assert len(whole - found) == 1


@pytest.mark.parametrize(("mode", "not_finite"), [("precise", 2), ("string", 3), ("double", 3)])
def test_odd_values_are_verdicts(mode: str, not_finite: int) -> None:
    """NaN and infinite numbers, far dates, huge decimals: NULL where Debezium gives none, else a dead letter that says why."""
    fields = specs(
        id="int", what="string?", num122="decimal(12,2)?", i8="int?", f8="float?", ts="timestamp[us]?", tstz="timestamp?", d="date?"
    )
    reader = ChangeReader(fields, frozenset(), ChangeRules(("id",)))
    reasons = []
    for line in records(f"edge_{mode}", ".bank.edge"):
        _, change, bad = reader.read(line)
        assert change.kind == "change"
        reasons.append(bad.reason if bad else None)
    assert reasons.count(Reason.NOT_FINITE) == not_finite


def test_records_that_come_twice_have_one_id() -> None:
    """After a restart the same change comes again, at another place of the log and with another ts_ms."""
    reader = ChangeReader(specs(id="int"), frozenset(), ChangeRules(("id",)))
    read = [reader.read(line)[1] for line in records("restart_duplicates", ".bank.payments")]
    ids = [change_id(change, ("id",)) for change in read if change.kind == "change"]
    assert len(set(ids)) < len(ids)
    keyed = {(c.op, str(c.key), str((c.source or {}).get("lsn"))) for c in read if c.kind == "change"}
    assert len(set(ids)) == len(keyed)


def test_a_flattened_stream_without_times_needs_one_of_the_row() -> None:
    """Nothing is guessed."""
    fields = specs(id="int")
    decoder = DebeziumDecoder(fields, frozenset(fields), frozenset(), ChangeRules(("id",)))
    found = decoder.decode(raw_rows(records("flat_rewrite_with_tombstone", ".bank.transactions")))
    assert {dead.reason for dead in found.dead} == {Reason.TIME_RANGE}
    assert "Or name a field of the row as time" in found.dead[0].detail


def test_debezium_as_cloudevents() -> None:
    """Its converter's events are CloudEvents: all but the tombstones are read, attributes of its own by their names."""
    values = [json.loads(line)["value"] for line in records("cloudevents")]
    fields = {
        "id": FieldSpec("id", parse_type("int?"), ("data", "after", "id")),
        "op": FieldSpec("op", parse_type("string"), ("iodebeziumop",)),
        "ce.time": FieldSpec("ce.time", parse_type("timestamp"), ("time",)),
    }
    decoder = CloudEventsDecoder(fields, frozenset(fields), frozenset())
    found = decoder.decode(raw_rows([value.encode() for value in values if value is not None and "iodebeziumop" in value]))
    assert found.n == 45
    assert not found.dead
    assert set(found.columns["op"].to_list()) <= {"c", "u", "d", "r"}
