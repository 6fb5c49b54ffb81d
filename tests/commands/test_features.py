"""``tocsin features``: one stream, several, and lines of all of them."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from dataflows.commands.app import command

APPLICATION = """tocsin: 1
name: shop
streams:
  tx:
    time: ts
    fields: {ts: "timestamp[s]", card: string, amount: float}
  logins:
    time: ts
    format: csv
    fields: {ts: "timestamp[s]", card: string, amount: string?}
features:
  spent: {sum: amount, of: tx, by: card, over: 1h}
  logins_1h: {count: true, of: logins, by: card, over: 1h}
"""
ALONE = APPLICATION[: APPLICATION.index("  logins:\n")] + "features:\n  spent: {sum: amount, by: card, over: 1h}\n"
TX = [{"ts": 10, "card": "a", "amount": 1.0}, {"ts": 5, "card": "a", "amount": 2.0}, {"ts": 30, "card": "a", "amount": 4.0}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files of both streams, one of them out of order."""
    (tmp_path / "app.yaml").write_text(APPLICATION.replace("    time: ts\n", "    time: ts\n    lateness: 10s\n"))
    (tmp_path / "alone.yaml").write_text(ALONE.replace("    time: ts\n", "    time: ts\n    lateness: 10s\n"))
    (tmp_path / "tx.jsonl").write_text("".join(json.dumps(row) + "\n" for row in TX))
    (tmp_path / "logins.csv").write_text("ts,card,amount\n20,a,x\n")
    return tmp_path


def run(folder: Path, *arguments: str) -> int:
    """The command in a folder of files."""
    return command(["features", *(text.replace("@", f"{folder}/") for text in arguments)])


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_the_only_stream_s_events_in_the_order_of_the_input(folder: Path, suffix: str) -> None:
    """A row an event; its features as of it, whatever the order of arrival."""
    out = folder / "deep" / f"out.{suffix}"
    assert run(folder, "@alone.yaml", "--events", "@tx.jsonl", "--out", str(out)) == 0
    read = {"parquet": pl.read_parquet, "csv": pl.read_csv, "jsonl": pl.read_ndjson}[suffix]
    assert read(out)["spent"].to_list() == [3.0, 2.0, 7.0]


def test_several_streams_each_from_its_file(folder: Path) -> None:
    """One stream after another; a column that both hold in different types is one for each."""
    inputs = ["--input", "tx=@tx.jsonl", "--input", "logins=@logins.csv"]
    assert run(folder, "@app.yaml", *inputs, "--out", "@out.parquet") == 0
    found = pl.read_parquet(folder / "out.parquet")
    assert found["on"].to_list() == ["tx", "tx", "tx", "logins"]
    assert found["spent"].to_list() == [3.0, 2.0, 7.0, 3.0]
    assert found["logins_1h"].to_list() == [0, 0, 1, 1]
    assert found["tx.amount"].to_list() == [1.0, 2.0, 4.0, None]
    assert found["logins.amount"].to_list() == [None, None, None, "x"]
    assert run(folder, "@app.yaml", *inputs, "--stream", "tx", "--out", "@tx.parquet") == 0
    alone = pl.read_parquet(folder / "tx.parquet")
    assert alone.columns == ["ts", "card", "amount", "spent", "logins_1h"] and alone["logins_1h"].to_list() == [0, 0, 1]


def test_several_streams_from_lines_as_for_match(folder: Path) -> None:
    """Rows stand in the order of the lines."""
    lines = [{"on": "tx", **TX[0]}, {"on": "logins", "ts": 20, "card": "a"}, {"on": "tx", **TX[1]}, {"on": "tx", **TX[2]}]
    (folder / "all.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert run(folder, "@app.yaml", "--events", "@all.jsonl", "--out", "@out.parquet") == 0
    found = pl.read_parquet(folder / "out.parquet")
    assert found["on"].to_list() == ["tx", "logins", "tx", "tx"]
    assert found["spent"].to_list() == [3.0, 3.0, 2.0, 7.0]
    assert found["logins_1h"].to_list() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["@app.yaml", "--out", "@o.txt"], "o.txt: expected a file that ends in .parquet, .csv or .jsonl"),
        (["@app.yaml", "--out", "@o.csv", "--stream", "no"], "no stream 'no'; expected one of tx, logins"),
        (["@app.yaml", "--out", "@o.csv", "--input", "tx=@tx.jsonl"], "'logins' has no source; expected from: {file: PATH}, or --input logins=FILE"),
        (["@alone.yaml", "--out", "@o.csv", "--events", "@no.jsonl"], "no.jsonl: no such file"),
    ],
)  # fmt: skip
def test_what_is_missing_is_told(folder: Path, arguments: list[str], message: str, capfd: pytest.CaptureFixture[str]) -> None:
    """In a line, without a stack trace."""
    assert run(folder, *arguments) == 1
    err = capfd.readouterr().err
    assert message in err and "Traceback" not in err
