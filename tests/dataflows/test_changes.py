"""Streams and tables of changes, from files to flags: ops, images before, what changed, and records that are no events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dataflows.running import Job, run_here
from models.application.errors import ApplicationErrors
from models.application.load import load

START = 1_700_000_000_000_000
APPLICATION = """tocsin: 1
name: changes
streams:
  accounts:
    from: {{file: accounts.jsonl}}
    format: debezium
    max_dead: 1.0
    {options}
    fields: {{id: int, status: "string?", amount: "decimal(12,2)?"}}
patterns:
  seen: {{on: accounts, by: id, when: "{when}"}}
flags:
  to: {{file: flags.jsonl}}
  dead_letters: {{file: dead.jsonl}}
"""


def change(i: int, op: str, before: Any = None, after: Any = None, **source: Any) -> dict[str, Any]:
    """An envelope of the i-th millisecond."""
    place = {"name": "b", "db": "b", "schema": "s", "table": "t", "lsn": i, "txId": i, "ts_us": START + i * 1000}
    return {"before": before, "after": after, "source": {**place, **source}, "op": op, "ts_ms": 1}


def row(status: str, amount: float = 1.5) -> dict[str, Any]:
    """An account."""
    return {"id": 1, "status": status, "amount": amount}


RECORDS = [
    change(0, "r", None, row("open")),
    change(1, "u", row("open"), row("blocked")),
    change(2, "u", row("blocked"), row("blocked", 2.5)),
    change(3, "t"),
    change(4, "m"),
    {"ts_ms": 99_999_999_999_999},
    {"status": "BEGIN", "id": "1:2", "event_count": None},
    None,
    change(6, "d", row("blocked", 2.5)),
    change(7, "c", None, row("open")),
]


def run(folder: Path, when: str, options: str = "before: full", records: list[Any] | None = None) -> list[int]:
    """The offsets of the changes that a condition flags."""
    (folder / "accounts.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records or RECORDS))
    (folder / "app.yaml").write_text(APPLICATION.format(when=when, options=options))
    counts = run_here(Job(load(folder / "app.yaml"), 2, lambda: "now"))
    assert not counts.dead
    assert not counts.late["accounts lateness"]
    flags = [json.loads(line) for line in (folder / "flags.jsonl").read_bytes().splitlines()]
    return [flag["data"]["evidence"][0]["offset"] for flag in flags]


@pytest.mark.parametrize(
    ("when", "offsets"),
    [
        ("true", [1, 2, 8, 9]),
        ("op = 'd'", [8]),
        ("changed(status)", [1]),
        ("changed(amount) and before.amount = 1.50", [2]),
        ("not changed(status)", [2]),
        ("changed(status) is null", [8, 9]),
        ("op = 'd' and amount = 2.50", [8]),
        ("before.status = 'open' and status = 'blocked'", [1]),
    ],
)
def test_what_a_condition_sees_of_changes(tmp_path: Path, when: str, offsets: list[int]) -> None:
    """Snapshot rows, truncations, messages, heartbeats, transaction markers and tombstones are no events."""
    assert run(tmp_path, when) == offsets


def test_snapshot_rows_are_events_where_included(tmp_path: Path) -> None:
    """``snapshot: include``."""
    assert run(tmp_path, "true", "snapshot: include") == [0, 1, 2, 8, 9]


def test_fillers_of_a_deletion_are_nothing(tmp_path: Path) -> None:
    """Without whole images only what cannot be a filler counts; a captured key is the key."""
    filler = {"id": 5, "status": "", "amount": 0}
    assert run(tmp_path, "op = 'd' and id = 5 and status is null and amount is null", "", [change(1, "d", filler)]) == [0]
    captured = {"topic": "t", "offset": 3, "key": '{"id": 6}', "value": json.dumps(change(1, "d", {**filler, "amount": 7}))}
    assert run(tmp_path, "op = 'd' and id = 6 and amount is null", "", [captured]) == [0]


def test_an_image_before_needs_a_declaration(tmp_path: Path) -> None:
    """A topic that is not declared ``before: full`` may hold fillers."""
    with pytest.raises(ApplicationErrors, match=r"before\.status.*needs whole images.*before: full"):
        run(tmp_path, "before.status = 'open'", "")


def test_ids_are_those_of_the_database_log(tmp_path: Path) -> None:
    """The same change twice has one id; dedup drops the second."""
    twice = [change(1, "u", row("open"), row("blocked")), {**change(1, "u", row("open"), row("blocked")), "ts_ms": 5}]
    assert run(tmp_path, "true", "before: full", twice) == [0, 1]
    ids = {json.loads(line)["causationid"] for line in (tmp_path / "flags.jsonl").read_bytes().splitlines()}
    assert len(ids) == 1
    assert run(tmp_path, "true", "dedup: 1h", twice) == [0]


TABLE = """tocsin: 1
name: joined
streams:
  tx:
    from: {file: tx.jsonl}
    time: ts
    fields: {id: int, account: int, ts: "timestamp[us]"}
    join: {owner: {table: accounts, on: account}}
tables:
  accounts:
    from: {file: accounts.jsonl}
    format: debezium
    key: id
    TIME
    fields: {id: int, status: "string?", amount: "decimal(12,2)?", at: "timestamp[us]?"}
patterns:
  known: {on: tx, when: "owner.status = 'open'"}
flags:
  to: {file: flags.jsonl}
"""


def joined(folder: Path, records: list[Any], times: list[int], time: str = "") -> list[int]:
    """Which events at these milliseconds find account 1 open."""
    (folder / "accounts.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    events = [{"id": i, "account": 1, "ts": START + at * 1000} for i, at in enumerate(times)]
    (folder / "tx.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    (folder / "app.yaml").write_text(TABLE.replace("TIME", time))
    run_here(Job(load(folder / "app.yaml"), 2, lambda: "now"))
    flags = [json.loads(line) for line in (folder / "flags.jsonl").read_bytes().splitlines()]
    return [flag["data"]["evidence"][0]["offset"] for flag in flags]


def test_a_flattened_table_takes_its_time_from_a_field(tmp_path: Path) -> None:
    """Without a source's time; a deletion that says none takes effect at the partition's bound."""
    rows: list[Any] = [{"id": 1, "status": status, "at": START + at * 1000} for status, at in (("open", 5), ("shut", 10), ("open", 20))]
    assert joined(tmp_path, rows, [1, 5, 9, 10, 20, 30], "time: at") == [1, 2, 4, 5]
    gone = [rows[0], {"topic": "t", "offset": 1, "key": '{"id": 1}', "value": "null"}]
    assert joined(tmp_path, gone, [4, 5, 6], "time: at") == []
    assert joined(tmp_path, [*gone, rows[2]], [4, 5, 20], "time: at") == [2]


def test_a_value_that_was_not_captured_stays_as_it_was(tmp_path: Path) -> None:
    """An unchanged TOAST column keeps the value of the row before, also over several changes and in one read."""
    missing = "__debezium_unavailable_value"
    records = [change(1, "c", None, row("open")), change(2, "u", None, row(missing)), change(3, "u", None, row(missing, 2.5))]
    assert joined(tmp_path, records, [0, 1, 2, 3]) == [1, 2, 3]
    assert joined(tmp_path, [*records, change(4, "d", row("")), change(5, "c", None, row(missing))], [3, 4, 5]) == [0]


def test_a_truncation_ends_every_row_of_the_table(tmp_path: Path) -> None:
    """From its moment on, on every shard; rows that come after it are there, a late change of before it is not."""
    others = [change(1, "c", None, {**row("open"), "id": i}) for i in range(2, 40)]
    records = [change(1, "c", None, row("open")), *others, change(5, "t")]
    assert joined(tmp_path, records, [1, 4, 5, 6]) == [0, 1]
    assert joined(tmp_path, [*records, change(5, "c", None, row("open"))], [4, 5, 6]) == [0, 1, 2]
    assert joined(tmp_path, [*records, change(7, "c", None, row("open"))], [4, 6, 7]) == [0, 2]
    assert joined(tmp_path, [*records, change(3, "u", None, row("open"))], [4, 6]) == [0]
    assert joined(tmp_path, [change(5, "t"), change(3, "u", None, row("open"))], [6]) == []
    assert joined(tmp_path, [change(5, "t"), change(6, "r", None, row("open"))], [5, 7]) == [1]
