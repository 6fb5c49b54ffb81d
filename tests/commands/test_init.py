"""``tocsin init``: what it finds in files of each format; what it writes passes check and test, and runs."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dataflows.commands.app import command
from models.application.load import load

ROWS = [
    {"tx_id": f"t{i}", "ts": 1_700_000_000_000 + i * 1000 - (7000 if i == 5 else 0), "card": f"c{i % 3}", "amount": i + 0.25,
     "lat": 1.123456789, "note": None if i % 2 else "x", "n": i, "ok": True, "at": "2024-01-01T00:00:00Z", "day": "2024-01-01",
     "tags": ["a", "b"], "device": {"ip": "1.2.3.4", "os": {"name": "x"}}, "odd": 1 if i else "one", "select": 1, "a.b": 1,
     "nothing": None}
    for i in range(30)
]  # fmt: skip


def write_json(path: Path, rows: list[dict[str, Any]]) -> Path:
    """A file of JSON lines, packed where its name says so."""
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def made(path: Path, *arguments: str) -> Path:
    """The application that init writes, which passes check and test and runs over the file."""
    out = path.parent / "made" / "app.yaml"
    assert command(["init", str(path), "--out", str(out), *arguments]) == 0
    assert command(["check", str(out)]) == 0
    assert command(["test", str(out)]) == 0
    assert command(["run", str(out)]) == 0
    dead = out.parent / "out" / "dead.jsonl"
    assert not dead.exists() or not dead.read_text()
    return out


@pytest.mark.parametrize("name", ["payments.jsonl", "payments.jsonl.gz"])
def test_json_lines(tmp_path: Path, name: str) -> None:
    """Types, time with its unit, id, entity, nested paths, optional fields and disorder."""
    stream = load(made(write_json(tmp_path / name, ROWS))).streams["payments"]
    types = {name: str(spec.type) for name, spec in stream.fields.items()}
    assert types == {
        "tx_id": "string", "ts": "timestamp[ms]", "card": "string", "amount": "decimal(12,2)", "lat": "float", "note": "string?",
        "n": "int", "ok": "bool", "at": "timestamp", "day": "date", "tags": "list<string>", "ip": "string", "name": "string",
        "select": "int",
    }  # fmt: skip
    assert (stream.time, stream.id, stream.lateness) == ("ts", "tx_id", 10_000_000)
    assert stream.fields["name"].path == ("device", "os", "name")


def test_what_cannot_be_declared_is_said(tmp_path: Path) -> None:
    """Mixed types, names with a dot, fields that are always null stand as comments with the reason."""
    text = made(write_json(tmp_path / "payments.jsonl", ROWS)).read_text()
    assert "# odd: left out: mixed in the sample: 29 number, 1 text" in text
    assert "# a.b: left out: a name with a dot cannot be reached by a path" in text
    assert "# nothing: left out: always null in the sample" in text
    assert "# an event was at most 6s behind the newest before it" in text or "# an event was at most 7s" in text


def test_csv(tmp_path: Path) -> None:
    """Cells are typed by their text; leading zeros keep a number text; an empty cell is null."""
    path = tmp_path / "2024 cpu.csv"
    lines = [f"{i:03},2024-01-01 00:00:{i:02},h{i % 2},{i / 10},{i},{'' if i % 3 else 'x'},true" for i in range(20)]
    path.write_text("zip,when,host,cpu,n,note,up\n" + "\n".join(lines) + "\n")
    application = load(made(path))
    stream = application.streams["events_2024_cpu"]
    assert {name: str(spec.type) for name, spec in stream.fields.items()} == {
        "zip": "string", "when": "timestamp", "host": "string", "cpu": "decimal(12,1)", "n": "int",
        "note": "string?", "up": "bool",
    }  # fmt: skip
    assert application.patterns["burst"].by.fields == ("host",)


def test_parquet(tmp_path: Path) -> None:
    """Types are the columns', nested ones by their path."""
    path = tmp_path / "login.parquet"
    frame = pl.DataFrame(ROWS[:20]).select(
        "tx_id", "card", "amount", "n", "note", "device", "ts", pl.col("ts").cast(pl.Datetime("ms")).alias("moment")
    )
    frame.write_parquet(path)
    stream = load(made(path)).streams["login"]
    types = {name: str(spec.type) for name, spec in stream.fields.items()}
    assert types["amount"] == "float" and types["note"] == "string?" and types["ip"] == "string" and types["moment"] == "timestamp"
    assert stream.time == "ts"


def test_debezium(tmp_path: Path) -> None:
    """Changes are a stream and a table; the key is the record's."""

    def change(i: int) -> dict[str, Any]:
        before = {"id": i % 4, "name": "a", "updated_at": 1_700_000_000_000_000}
        source = {"connector": "postgresql", "name": "bank", "db": "b", "schema": "public", "table": "people", "lsn": i, "txId": i}
        return {
            "before": before,
            "after": {**before, "name": f"n{i}"},
            "op": "u",
            "ts_ms": 1_700_000_000_000 + i,
            "source": {**source, "ts_ms": 1_700_000_000_000 + i},
        }

    records = [
        {"topic": "people", "partition": 0, "offset": i, "key": json.dumps({"id": i % 4}), "value": json.dumps(change(i))}
        for i in range(12)
    ]
    for name, rows in (("people.cdc.jsonl", records), ("plain.jsonl", [change(i) for i in range(12)])):
        application = load(made(write_json(tmp_path / name, rows), "--force"))
        stream = next(iter(application.streams.values()))
        assert stream.format == "debezium" and stream.before_full
        assert application.patterns["burst"].by.fields == ("id",)
        assert [table.key for table in application.tables.values()] == [("id",)]


def test_wishes_take_the_place_of_guesses(tmp_path: Path) -> None:
    """The time, the id, the entity and the name may be said."""
    out = made(write_json(tmp_path / "payments.jsonl", ROWS), "--time", "at", "--id", "n", "--by", "device.ip", "--name", "my-shop")
    application = load(out)
    stream = application.streams["payments"]
    assert (application.name, stream.time, stream.id, application.patterns["burst"].by.fields) == ("my-shop", "at", "n", ("ip",))


def test_names_that_yaml_or_sql_would_misread(tmp_path: Path) -> None:
    """They are quoted; a stream named like a reserved word gets another name."""
    rows = [{"ts": 1_700_000_000 + i, "null": "a", "Total Amount": i + 0.5, "on": f"u{i % 2}", "count_10m": 1} for i in range(10)]
    application = load(made(write_json(tmp_path / "order.jsonl", rows), "--by", "on"))
    assert list(application.streams) == ["order_events"]
    assert {"null", "Total Amount", "on", "count_10m"} <= set(application.streams["order_events"].fields)


def test_it_prints_and_does_not_overwrite(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dash prints; a file that is there stays; --from is the same."""
    monkeypatch.chdir(tmp_path)
    write_json(tmp_path / "p.jsonl", ROWS)
    assert command(["init", "--from", "file:p.jsonl", "--out", "-"]) == 0
    assert 'from: {file: "p.jsonl"}' in capfd.readouterr().out
    assert command(["init", "p.jsonl"]) == 0
    assert command(["init", "p.jsonl"]) == 1
    assert "app.yaml: is there already; write elsewhere with --out FILE, or over it with --force" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "arguments", "code", "message"),
    [
        ("a.jsonl", b"", [], 1, "a.jsonl: the file is empty; expected a sample of events to begin from"),
        ("a.jsonl", b"<xml/>\n", [], 1, "a.jsonl:1: expected a JSON object a line; found '<xml/>'"),
        ("a.jsonl", b"[1]\n", [], 1, "a.jsonl:1: expected a JSON object a line; found"),
        ("a.jsonl", b'{"a": "\xff"}\n', [], 1, "a.jsonl:1: expected UTF-8; found other bytes"),
        ("a.jsonl", b'{"a": 1}\n', [], 1, "expected a field with the event's time (RFC 3339, or numbers under a name that says so); found a"),
        ("a.jsonl", b'{"ts": 1700000000}\n{"ts": null}\n', [], 1, "ts may be null"),
        ("a.jsonl", b'{"ts": 1700000000, "a": 1}\n', ["--by", "b"], 1, "no field 'b' for --by; expected one of ts, a"),
        ("a.jsonl", b'{"ts": 1700000000, "a": 1}\n', ["--time", "a"], 1, "expected --time as a field of moments; found a: int"),
        ("a.parquet", b"no", [], 1, "a.parquet: cannot be read as Parquet"),
        ("a.csv", b"a,b\n", [], 1, "the file is empty"),
        ("a.jsonl.gz", b"no", [], 1, "cannot be read"),
        ("a.jsonl", b"", ["--from", "file:x"], 2, "expected a FILE, --from file:PATH, or --from kafka:TOPIC"),
    ],
)  # fmt: skip
def test_what_is_no_sample_is_told(
    tmp_path: Path, name: str, content: bytes, arguments: list[str], code: int, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """In a line, without a stack trace."""
    (tmp_path / name).write_bytes(content)
    assert command(["init", str(tmp_path / name), "--out", str(tmp_path / "o.yaml"), *arguments]) == code
    err = capfd.readouterr().err
    assert message in err and "Traceback" not in err


def test_a_file_that_is_not_there_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    """Also where the application would be printed."""
    assert command(["init", "no.jsonl", "--out", "-"]) == 1
    assert "no.jsonl: cannot be read: No such file or directory" in capfd.readouterr().err
