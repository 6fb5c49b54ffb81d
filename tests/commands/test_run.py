"""``tocsin run``: what it prints where, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dataflows.commands.app import command

APPLICATION = """tocsin: 1
name: shop
params: {least: 5}
streams:
  tx:
    from: {file: tx.jsonl}
    time: ts
    where: amount > 0
    lateness: 1s
    max_dead: 100%
    id: id
    dedup: 1h
    fields: {ts: "timestamp[s]", id: string, card: string, amount: float}
patterns:
  big: {by: card, when: amount > $least, severity: high, suppress: {cooldown: 1h}, guard: card <> 'mine', title: "big {amount}"}
"""
ROWS = [
    {"ts": 10, "id": "1", "card": "a", "amount": 9},
    {"ts": 11, "id": "2", "card": "a", "amount": 9},
    {"ts": 12, "id": "3", "card": "mine", "amount": 9},
    {"ts": 13, "id": "4", "card": "a", "amount": 0},
    {"ts": 13, "id": "1", "card": "a", "amount": 9},
    {"ts": 1, "id": "5", "card": "a", "amount": 9},
    {"ts": 14, "id": "6", "card": "a", "amount": "9"},
    {"ts": 15, "id": "7", "card": "b", "amount": 6},
]


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """The application with its file of rows."""
    (tmp_path / "app.yaml").write_text(APPLICATION)
    (tmp_path / "tx.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return tmp_path / "app.yaml"


def test_flags_without_a_sink_go_to_standard_output_and_the_summary_to_the_other(
    app: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """So that `tocsin run app.yaml | jq` works; no bar in a pipe, and no colours."""
    assert command(["run", str(app)]) == 0
    out, err = capfd.readouterr()
    assert [json.loads(line)["data"]["pattern"]["title"] for line in out.splitlines()] == ["big 9.0", "big 6.0"]
    assert "\x1b" not in err
    words = [line.split() for line in err.splitlines()]
    assert ["tx", "8", "1", "1", "1", "1", "(type", "1)"] in words
    assert ["big", "high", "2", "1", "1"] in words
    assert "2 flags to standard output" in err


@pytest.mark.parametrize("processes", ["1", "2"])
def test_counts_for_machines(app: Path, capfd: pytest.CaptureFixture[str], processes: str) -> None:
    """The same numbers from one process and from two."""
    app.write_text(APPLICATION + "flags: {to: {file: flags.jsonl}}\n")
    assert command(["run", str(app), "--json", "--processes", processes, "--shards", "4", "--param", "least=8"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["rows"] == {"tx": 8} and found["filtered"] == {"tx": 1} and found["late"] == {"tx lateness": 1}
    assert found["duplicates"] == {"tx": 1} and found["dead"] == {"tx type": 1}
    assert found["flags"] == {"big": 1} and found["suppressed"] == {"big": 1} and found["guarded"] == {"big": 1}
    assert len((app.parent / "flags.jsonl").read_text().splitlines()) == 1


def test_another_file_takes_a_source_s_place(app: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """--input NAME=FILE, relative to where the command is run."""
    (tmp_path / "other.jsonl").write_text(json.dumps(ROWS[0]) + "\n")
    assert command(["run", str(app), "--input", f"tx={tmp_path / 'other.jsonl'}"]) == 0
    assert "1 rows in" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("change", "arguments", "code", "message"),
    [
        (
            "    from: {file: tx.jsonl}\n",
            [],
            1,
            "app.yaml:6:5: 'tx' has no source; expected from: {file: PATH}, or --input tx=FILE",
        ),
        (
            "",
            ["--processes", "4", "--shards", "2"],
            1,
            "expected at least as many shards as processes; found --shards 2 and --processes 4",
        ),
        ("", ["--input", "tx"], 2, "expected NAME=VALUE; found 'tx'"),
        ("", ["--input", "tx=nowhere.jsonl"], 1, "nowhere.jsonl: no such file; expected a file or a glob that matches one"),
        ("", ["--shards", "0"], 2, "should be greater than or equal to 1"),
    ],
)
def test_what_cannot_run_is_told(
    app: Path, change: str, arguments: list[str], code: int, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """In a line, without a stack trace."""
    app.write_text(APPLICATION.replace(change, "", 1))
    assert command(["run", str(app), *arguments]) == code
    err = capfd.readouterr().err
    assert message in " ".join(err.replace("│", " ").split()) and "Traceback" not in err


def test_too_many_dead_rows_stop_a_run(app: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A wrong schema must not drain a file silently."""
    app.write_text(APPLICATION.replace("    max_dead: 100%\n", ""))
    assert command(["run", str(app)]) == 1
    err = capfd.readouterr().err
    assert "dead" in err and "Traceback" not in err
