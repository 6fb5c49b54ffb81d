"""``tocsin why``: a flag in plain words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dataflows.commands.app import command

APPLICATION = """tocsin: 1
name: shop
streams:
  tx:
    from: {file: tx.jsonl}
    time: ts
    id: id
    join: {people: card}
    fields: {ts: "timestamp[s]", id: string, card: string, amount: "decimal(12,2)"}
tables:
  people: {from: {file: people.csv}, key: card, fields: {card: string, country: string}}
params: {big: 100}
features: {n: {count: true, by: card, over: 1h}}
patterns:
  big:
    by: card
    when: amount > $big and n >= 2 and people.country is distinct from 'DE'
    title: "{amount} on {card}"
    severity: critical
    description: Large payments.
    runbook: Call them.
    evidence: {last: 1}
    suppress: {debounce: 20s}
flags: {to: {file: out/flags.jsonl}}
"""


@pytest.fixture
def flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of two flags, in the folder where the command looks for it."""
    (tmp_path / "app.yaml").write_text(APPLICATION)
    (tmp_path / "people.csv").write_text("card,country\na,FR\nb,FR\n")
    rows = [{"ts": 9 + i, "id": f"t{i}", "card": "ab"[i % 2], "amount": 120.5} for i in range(6)]
    (tmp_path / "tx.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert command(["run", str(tmp_path / "app.yaml")]) == 0
    monkeypatch.chdir(tmp_path)
    return tmp_path / "out" / "flags.jsonl"


def test_a_flag_in_words(flags: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Reasons with values and thresholds, features, joined columns, evidence, and what was held back; no colours in a pipe."""
    flag = json.loads(flags.read_text().splitlines()[0])
    capfd.readouterr()
    assert command(["why", flag["id"][:8]]) == 0
    lines = capfd.readouterr().out.splitlines()
    key = flag["partitionkey"]
    assert lines[0] == f"CRITICAL big: 120.50 on {key}"
    assert f"  card {key} at {flag['time']}, flag {flag['id']}" in lines
    assert "    amount > $big: 120.50 is more than 100.00" in lines
    assert "    n >= 2: 3 is at least 2" in lines
    assert "    n = 3" in lines and "    people.country = FR" in lines
    assert "  seen: 2 events, the last 1 of them" in lines
    assert any("tx.jsonl row" in line and f"card {key}, amount 120.50" in line for line in lines)
    assert "  1 hit before it was suppressed" in lines
    assert "  what to do: Call them." in lines


def test_a_flag_for_machines(flags: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The flag itself."""
    flag = json.loads(flags.read_text().splitlines()[1])
    capfd.readouterr()
    assert command(["why", flag["id"], "--flags", str(flags), "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == flag


def test_no_flag_or_several(flags: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What was looked for, and where."""
    assert command(["why", "nothing"]) == 1
    assert "out/flags.jsonl: no flag whose id begins with 'nothing'" in capfd.readouterr().err
    assert command(["why", ""]) == 1
    err = capfd.readouterr().err
    assert "2 flags begin with ''; give more of the id:" in err and "120.50 on a" in err
    flags.unlink()
    assert command(["why", "x"]) == 1
    assert "expected --flags FILE, the file that `tocsin run` wrote; found none of out/flags.jsonl" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"x y z\n", "f.jsonl:1: expected a flag as `tocsin run` writes it; found 'x y z'"),
     (b'{"x": 1}\n', "f.jsonl:1: expected a flag as `tocsin run` writes it"), (b"x\xff\n", "bytes that are not UTF-8"),
     (None, "cannot be read: No such file or directory")],
)  # fmt: skip
def test_a_file_that_holds_no_flags(tmp_path: Path, content: bytes | None, message: str, capfd: pytest.CaptureFixture[str]) -> None:
    """In a line, without a stack trace."""
    if content is not None:
        (tmp_path / "f.jsonl").write_bytes(content)
    assert command(["why", "x", "--flags", str(tmp_path / "f.jsonl")]) == 1
    err = capfd.readouterr().err
    assert message in err and "Traceback" not in err
