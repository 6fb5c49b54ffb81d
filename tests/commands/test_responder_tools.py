"""The operator's commands on a ledger: deliveries, silences, the audit, erasure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import select, update

from agents.ledger.clock import FixedClock
from agents.ledger.ledger import Ledger
from agents.ledger.schema import audit, effect, endpoint, inbox, mask
from dataflows.commands.app import command
from tests.agents.effects.ledgers import change, decide, target, work
from tests.agents.messages import NOW
from tests.agents.receiver import Answer, receiving

APPLICATION = """tocsin: 1
name: bank
streams: {tx: {time: ts, fields: {ts: timestamp, user: string, amount: int}}}
patterns: {big: {on: tx, by: user, when: amount > 100}}
respond: {responders: {review: {default: watch}}}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a ledger in which one delivery is done and one is dead, and an application."""
    monkeypatch.chdir(tmp_path)
    Path("app.yaml").write_text(APPLICATION)
    ledger = Ledger("ledger.db")
    for number, name in enumerate(("good", "bad")):
        decide(ledger, number, [("webhook", name, None)])
    with receiving(lambda request: Answer(410 if request.path == "/bad" else 200)) as receiver:
        root = receiver.url.removesuffix("/hook")
        work(ledger, FixedClock(NOW), [target("good", root + "/good"), target("bad", root + "/bad")])
    change(ledger, lambda c: c.execute(update(inbox).values(subject="card/c-1", key="c-1")))
    change(ledger, lambda c: c.execute(mask.insert().values(flow_id="f", subject="card/c-1", sealed=b"x", created_at=NOW)))
    ledger.close()
    return tmp_path


def _look(query: object) -> list[object]:
    ledger = Ledger("ledger.db")
    found = ledger.look(lambda c: [tuple(row) for row in c.execute(query)])  # type: ignore[call-overload]
    ledger.close()
    return found


def test_deliveries_are_listed_and_dead_ones_tried_again(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert command(["deliveries", "list", "--json", "--state", "dead"]) == 0
    [dead] = json.loads(capfd.readouterr().out)
    assert (dead["target"], dead["error"], dead["attempts"]) == ("bad", "gone", 1)
    assert command(["deliveries", "list"]) == 0
    assert "done" in capfd.readouterr().out
    assert command(["deliveries", "retry", dead["key"]]) == 0
    assert _look(select(effect.c.state, effect.c.attempts, effect.c.open).where(effect.c.key == dead["key"])) == [
        ("ready", 0, True)
    ]
    assert command(["deliveries", "retry", dead["key"]]) == 1
    assert "expected the key of a dead or parked delivery" in capfd.readouterr().err
    assert command(["deliveries", "retry"]) == 2
    assert command(["deliveries", "list", "--state", "lost"]) == 2


def test_endpoints_are_switched_on_again(here: Path) -> None:
    assert _look(select(endpoint.c.state).where(endpoint.c.name == "bad")) == [("disabled",)]
    assert command(["deliveries", "enable", "bad"]) == 0
    assert _look(select(endpoint.c.state).where(endpoint.c.name == "bad")) == [("enabled",)]
    assert command(["deliveries", "disable", "good"]) == 0
    assert command(["audit", "verify"]) == 0


def test_silences_are_set_listed_and_ended(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert command(["silence", "add", "app.yaml", "pattern = 'big'", "--until", "2h", "--comment", "planned"]) == 0
    id_ = capfd.readouterr().out.strip()
    assert command(["silence", "list", "--json"]) == 0
    [row] = json.loads(capfd.readouterr().out)
    assert (row["id"], row["state"], row["comment"], row["matchers"]) == (id_, "active", "planned", "pattern = 'big'")
    assert command(["silence", "list"]) == 0
    assert id_ in capfd.readouterr().out
    assert command(["silence", "expire", id_[:8]]) == 0
    assert command(["silence", "expire", id_]) == 1
    assert "no silence that lasts" in capfd.readouterr().err
    assert command(["silence", "list", "--all"]) == 0
    assert "expired" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["pattern = ", "--until", "2h"], 1, "CONDITION:"),
        (["nonsense > 1", "--until", "2h"], 1, "CONDITION:"),
        (["pattern = 'big'", "--until", "soon"], 2, "expected a duration such as 2h"),
        (["pattern = 'big'", "--until", "2020-01-01T00:00:00Z"], 2, "expected a time to come"),
    ],
)
def test_silences_that_are_none(here: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str) -> None:
    assert command(["silence", "add", "app.yaml", *arguments, "--comment", "x"]) == code
    assert said in capfd.readouterr().err


def test_the_audit_names_what_was_changed(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert command(["audit", "verify", "--heads", "heads.json"]) == 0
    assert command(["audit", "verify", "--heads", "heads.json"]) == 0
    ledger = Ledger("ledger.db")
    change(ledger, lambda c: c.execute(update(audit).where(audit.c.seq == 2).values(body="{}")))
    ledger.close()
    assert command(["audit", "verify"]) == 1
    assert "record 2: changed" in capfd.readouterr().err
    Path("heads.json").write_text("[1]")
    assert command(["audit", "verify", "--heads", "heads.json"]) == 1
    assert "expected heads as an earlier verify wrote them" in capfd.readouterr().err


def test_a_subject_is_erased_and_the_audit_still_verifies(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert command(["audit", "verify", "--heads", "heads.json"]) == 0
    assert command(["erase", "card/c-1", "--yes"]) == 0
    assert "erased 2 flags, 1 mask maps" in capfd.readouterr().err
    assert _look(select(inbox.c.body, inbox.c.subject, inbox.c.key).distinct()) == [(None, "erased", "erased")]
    assert _look(select(mask)) == []
    assert command(["audit", "verify", "--heads", "heads.json"]) == 0
    assert command(["erase", "card/c-1", "--yes"]) == 1
    assert "no flag of this one is in the ledger" in capfd.readouterr().err


def test_a_ledger_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert command(["deliveries", "list"]) == 1
    assert "expected a responder's ledger; found no such file" in capfd.readouterr().err
    assert not Path("ledger.db").exists()
    assert command(["audit", "verify", "--ledger", "mysql://x/y"]) == 1
    assert command(["audit", "verify", "--ledger", "postgresql://127.0.0.1:1/none"]) == 1
    assert "the ledger cannot be opened" in capfd.readouterr().err
