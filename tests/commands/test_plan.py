"""``tocsin plan`` and ``tocsin check``: what they print for people and for machines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dataflows.commands.app import command

APPLICATION = """tocsin: 1
name: shop
streams:
  tx:
    time: ts
    lateness: 5s
    where: amount > 0
    dedup: 1h
    join: {people: card, spots: spot}
    fields: {ts: "timestamp[s]", card: string, spot: string, amount: float}
tables:
  people: {format: debezium, key: card, fields: {card: string, country: string}}
  spots: {from: {file: spots.csv}, key: spot, fields: {spot: string, risk: float}}
features:
  n: {count: true, by: card, over: 1h}
  m: {mean: amount, by: card, over: 7d, delay: 1h}
  gap: {since_last: true, by: card}
  visits: {count: true, by: spot, over: 1d}
scores:
  z: {zscore: amount, by: card, over: 30d}
patterns:
  big: {by: card, when: amount > m and n > 2 and z > 3 and people.country = 'DE', suppress: {cooldown: 1h}}
  odd: {by: spot, when: visits > 9 and spots.risk > 1, hold: 3 of 5}
  whole: {when: gap is null, hold: 5m}
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """The application's file."""
    (tmp_path / "app.yaml").write_text(APPLICATION)
    return tmp_path / "app.yaml"


def test_plan_tells_stages_state_and_waits(app: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What is kept of a key, what bounds it, and whom a row waits for."""
    assert command(["plan", str(app)]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0] == "shop: 2 source(s), 3 stage(s)"
    assert any(line.startswith("read stream tx  json, lateness 5s") for line in lines)
    assert "  where amount > 0" in lines and "  dedup a repeated id within 1h is dropped" in lines
    assert any(line.startswith("read file spots  csv, whole, by spot") for line in lines)
    assert "  do    feature m: mean(amount) of tx over 7d delay 1h" in lines
    assert "  do    score z: zscore(amount) over 30d" in lines
    for kept in (
        "the row of people, and older ones that events may still need, until it is deleted (people)",
        "the events of tx, until they are 7d1h old (m, n)",
        "one value, until the key was silent for 90d (gap)",
        "the values learnt, until they are 30d old (z)",
        "its last flag's time and what was suppressed, until twice 1h later (big)",
        "which of the last 5 events were TRUE, until the key was silent for 90d (odd)",
        "when an unbroken run began, until 5m have passed or it is broken (whole)",
    ):
        assert f"  keep  a key: {kept}" in lines, kept
    assert "  wait  until people, tx have passed a row's time; lateness at most 5s" in lines
    assert any(line.startswith("note stage") and "has one key" in line for line in lines)


def test_plan_for_machines(app: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The same as data."""
    assert command(["plan", str(app), "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert [stage["key"] for stage in found["stages"]] == ["card", "spot", "nothing (one key)"] or len(found["stages"]) == 3
    assert found["stages"][0]["waits"] == {"for": ["people", "tx"], "longest": "5s"}
    assert {"keeps", "until", "for"} == set(found["stages"][0]["state"][0])


def test_check_counts_what_is_there(app: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """One of a thing is one."""
    assert command(["check", str(app)]) == 0
    assert capfd.readouterr().out.endswith("ok (1 stream, 2 tables, 4 features, 1 score, 3 patterns)\n")


def test_check_tells_errors_to_people_and_machines(app: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """All of them, in the order of the file."""
    app.write_text(APPLICATION.replace("n > 2", "nn > 2").replace("hold: 5m", "hold: 5 minutes"))
    assert command(["check", str(app)]) == 1
    err = capfd.readouterr().err.splitlines()
    assert err[0] == f"{app}:22:40: unknown name 'nn' (did you mean n?)" and err[2] == "2 errors"
    assert command(["check", str(app), "--json"]) == 1
    found = json.loads(capfd.readouterr().out)
    assert found["ok"] is False
    assert found["errors"][1] == {"file": str(app), "line": 24, "column": 36, "message": found["errors"][1]["message"]}
    assert found["errors"][1]["message"].startswith("expected hold as a duration")


def test_check_for_machines(app: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """An application without mistakes."""
    assert command(["check", str(app), "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == {
        "ok": True,
        "name": "shop",
        "version": "1",
        "errors": [],
        "warnings": [],
        "tests": 0,
    }
