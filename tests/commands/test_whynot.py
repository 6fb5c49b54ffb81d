"""``tocsin why --pattern``: why nothing fired for a key, and the conditions of a flag, from the sources."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dataflows.commands.app import command

APPLICATION = """tocsin: 1
name: shop
streams:
  tx: {from: {file: tx.jsonl}, time: ts, id: id, fields: {ts: timestamp, id: string, card: string, n: int, amount: "decimal(12,2)"}}
patterns:
  tested:
    on: tx
    by: card
    sequence: [{probe: {when: amount < 5, times: 3}}, {cash: {when: amount > 200}}]
    within: 10m
  numbered: {on: tx, by: [card, n], when: amount > 100}
flags: {to: {file: flags.jsonl}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An application and its events."""
    (tmp_path / "app.yaml").write_text(APPLICATION)
    rows = [("12:00:00", "a", 1), ("12:01:00", "a", 2), ("12:02:00", "a", 3), ("12:04:10", "a", 180), ("13:00:00", "b", 1),
            ("13:00:10", "b", 1), ("13:00:20", "b", 1), ("13:00:30", "b", 900)]  # fmt: skip
    lines = [{"ts": f"2026-01-05T{t}Z", "id": f"t{i}", "card": c, "n": 7, "amount": a} for i, (t, c, a) in enumerate(rows)]
    (tmp_path / "tx.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_attempt_in_words(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """How far it came, and what ended it; ``--most`` and ``--at`` choose."""
    assert command(["why", "app.yaml", "--pattern", "tested", "--key", "a"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0] == "tested, card a: 4 events, 3 attempts, 0 flags"
    ended = "out of time at 12:10:00 (within 10m)"
    assert lines[1] == f"  2026-01-05 12:00:00  probe 3 of 3; cash: 180.00 > 200 is false at 12:04:10; {ended}"
    assert "    not cash  12:04:10 tx t3: ts 2026-01-05T12:04:10Z, id t3, card a, n 7, amount 180.00" in lines
    assert "      amount > 200: 180.00 > 200 is false" in lines
    assert command(["why", "--pattern", "tested", "--key", "a", "--most", "1", "--trees"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].endswith("; 1 of them follow") and "      amount > 200 = false" in lines and "        amount = 180.00" in lines
    assert command(["why", "--pattern", "tested", "--key", "a", "--at", "2026-01-05T12:10:30Z"]) == 0
    assert [line[2:21] for line in capfd.readouterr().out.splitlines()[1:] if line.startswith("  2026")] == [
        "2026-01-05 12:01:00", "2026-01-05 12:02:00",
    ]  # fmt: skip


def test_each_attempt_for_machines(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Steps, events, trees and the ending as JSON."""
    assert command(["why", "app.yaml", "--pattern", "tested", "--key", "a", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["attempts"], found["flags"], found["events"], found["held"]) == (3, 0, 4, None)
    first = found["shown"][0]
    assert first["steps"][0] == {"step": "probe", "taken": 3, "least": 3, "most": 3, "optional": False}
    assert first["waited_for"] == ["cash"] and first["ended"]["how"] == "timeout" and first["ended"]["time"] == "2026-01-05T12:10:00Z"
    assert first["near"][0]["because"] == [{"expression": "amount > 200", "words": "180.00 > 200 is false", "value": False}]
    assert first["near"][0]["condition"] == {
        "expression": "amount > 200", "value": False, "parts": [{"expression": "amount", "value": "180.00", "parts": []}],
    }  # fmt: skip
    assert [event["id"] for event in first["events"]] == ["t0", "t1", "t2"]


def test_keys_of_several_fields_and_of_nobody(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A key is written as flags write it."""
    assert command(["why", "app.yaml", "--pattern", "numbered", "--key", '["a",7]']) == 0
    assert "numbered, card,n [\"a\",7]: 4 events, 4 attempts, 1 flag" in capfd.readouterr().out
    assert command(["why", "app.yaml", "--pattern", "tested", "--key", "z"]) == 0
    assert "  no event of this key was read" in capfd.readouterr().out.splitlines()


def test_conditions_of_a_flag(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Of a flag, with the application, the tree of each event's condition."""
    assert command(["run", "app.yaml"]) == 0
    flag = next(json.loads(line) for line in (folder / "flags.jsonl").read_text().splitlines() if '"probe"' in line)
    capfd.readouterr()
    assert command(["why", flag["id"], "--flags", "flags.jsonl", "--application", "app.yaml"]) == 0
    lines = capfd.readouterr().out.splitlines()
    at = lines.index("  conditions")
    assert "    cash  13:00:30 tx t7: ts 2026-01-05T13:00:30Z, id t7, card b, n 7, amount 900.00" in lines[at:]
    assert "      amount > 200 = true" in lines[at:] and "        amount = 900.00" in lines[at:]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [(["app.yaml", "--pattern", "testd", "--key", "a"], 1, "app.yaml: expected a pattern; found 'testd' (did you mean tested?)"),
     (["app.yaml", "--pattern", "numbered", "--key", "a"], 1,
      "--key of numbered (card, n): expected 2 values as a JSON array, as flags write this key; found 'a'"),
     (["app.yaml", "--pattern", "numbered", "--key", '["a","x"]'], 1, "expected a key of type int; found 'x'"),
     (["other.yaml", "--pattern", "tested", "--key", "a"], 1, "found no other.yaml here"),
     (["app.yaml", "--pattern", "tested"], 2, "--pattern and --key go together"),
     (["app.yaml", "--pattern", "tested", "--key", "a", "--at", "noon"], 2, "expected a time such as"),
     ([], 2, "expected a flag's id, or --pattern and --key")],
)  # fmt: skip
def test_wrong_words(folder: Path, arguments: list[str], code: int, message: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Each says what was expected."""
    assert command(["why", *arguments]) == code
    err = " ".join(capfd.readouterr().err.replace("│", " ").split())
    assert message in err and "Traceback" not in err
