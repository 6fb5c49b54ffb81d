"""``tocsin match``: lines as the language describes them."""

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
    join: {people: card}
    fields: {ts: "timestamp[ms]", card: string, amount: "decimal(12,2)"}
  logins:
    time: ts
    fields: {ts: "timestamp[ms]", card: string}
tables:
  people: {format: debezium, key: card, fields: {card: string, country: string}}
features:
  n: {count: true, of: tx, by: card, over: 10m}
patterns:
  many: {on: tx, by: card, when: n >= 2}
  held: {on: tx, by: card, when: amount > 5, hold: 30s}
  german: {on: tx, by: card, when: people.country = 'DE' and amount < 2}
  quiet: {on: tx, by: card, when: n >= 1, mode: part}
"""


@pytest.fixture
def match(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> object:
    """Runs the command over lines; its exit code, matches and words."""

    def run(lines: str, application: str = APPLICATION) -> tuple[int, list[dict[str, object]], str]:
        (tmp_path / "app.yaml").write_text(application)
        (tmp_path / "e.jsonl").write_text(lines)
        code = command(["match", str(tmp_path / "app.yaml"), "--events", str(tmp_path / "e.jsonl")])
        out, err = capfd.readouterr()
        return code, [json.loads(line) for line in out.splitlines()], err

    return run


def test_matches_come_in_processing_order_with_references(match) -> None:
    """A reference is the field ref, or the number of the line; blank lines count; a deadline comes before events of its time."""
    code, found, err = match(
        '{"on":"tx","ts":1000,"card":"a","amount":10}\n\n'
        '{"on":"tx","ts":2000,"card":"a","amount":10.5,"ref":"second"}\n'
        '{"on":"logins","ts":500,"card":"a"}\n'
        '{"on":"tx","ts":"1970-01-01T00:00:31Z","card":"a","amount":7}\n'
    )
    assert (code, err) == (0, "")
    assert found == [
        {"pattern": "many", "kind": "match", "key": "a", "time": 2000, "steps": {}, "events": ["second"]},
        {"pattern": "held", "kind": "match", "key": "a", "time": 31000, "steps": {}, "events": [1, "second"]},
        {"pattern": "many", "kind": "match", "key": "a", "time": 31000, "steps": {}, "events": [5]},
    ]


def test_rows_of_a_table_and_the_watermark(match) -> None:
    """A row without a time holds since ever; op d deletes; advance_to lets time pass, and makes what comes behind it late."""
    code, found, err = match(
        '{"on":"people","card":"a","country":"DE"}\n'
        '{"on":"tx","ts":1000,"card":"a","amount":1}\n'
        '{"on":"people","card":"a","op":"d","time":"1970-01-01T00:00:02Z"}\n'
        '{"on":"tx","ts":3000,"card":"a","amount":1}\n'
        '{"advance_to":60000}\n'
        '{"on":"tx","ts":50000,"card":"a","amount":1}\n'
        '{"on":"tx","ts":70000,"card":"a","amount":"1"}\n'
    )
    assert code == 0
    assert [each["events"] for each in found if each["pattern"] == "german"] == [[2]]
    assert "event 6 of tx is late: its time 1970-01-01T00:00:50Z is behind the bound 1970-01-01T00:01:00Z" in err
    assert "event 7 of tx is dead (type): field 'amount': expected decimal(12,2); found \"1\"" in err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1]", 'e.jsonl:1: expected {"on": STREAM, …} or {"advance_to": TIME}; found no such JSON'),
        ('{"ts": 1}', 'e.jsonl:1: expected "on": one of tx, logins, people; found none'),
        ('{"on": "tz"}', "e.jsonl:1: unknown stream or table 'tz'; expected one of tx, logins, people"),
        ('{"advance_to": "noon"}', "e.jsonl:1: expected advance_to as a moment such as 2024-01-01T00:00:00Z; found 'noon'"),
    ],
)
def test_a_bad_line_is_told(match, line: str, message: str) -> None:
    """With its number, and without a stack trace."""
    code, found, err = match(line + "\n")
    assert (code, found) == (1, [])
    assert message in err and "Traceback" not in err


def test_a_number_is_never_guessed(match) -> None:
    """Where streams have no common unit, advance_to is RFC 3339; times come out as they can be written."""
    application = APPLICATION.replace('fields: {ts: "timestamp[ms]", card: string}', "fields: {ts: timestamp, card: string}")
    code, _, err = match('{"advance_to": 5}\n', application)
    assert code == 1 and "expected advance_to as RFC 3339, since the streams have no common unit; found 5" in err
    alone = application.replace('ts: "timestamp[ms]", card: string, amount', "ts: timestamp, card: string, amount")
    code, found, _ = match(
        '{"on":"tx","ts":"2024-01-01T00:00:00Z","card":"a","amount":1}\n{"on":"tx","ts":"2024-01-01T00:00:01Z","card":"a","amount":1}\n',
        alone,
    )
    assert (code, [each["time"] for each in found]) == (0, ["2024-01-01T00:00:01Z"])


def test_a_file_that_is_not_there(match, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Named, with the cause."""
    (tmp_path / "app.yaml").write_text(APPLICATION)
    assert command(["match", str(tmp_path / "app.yaml"), "--events", str(tmp_path / "no.jsonl")]) == 1
    assert "no.jsonl: cannot be read: No such file or directory" in capfd.readouterr().err
