"""``tocsin schema``: what Tocsin reads and writes fits the schemas that it prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from dataflows.commands.app import command
from models.application.keys import LATER, SECTIONS
from tests.agents.flags import flag, written

ROOT = Path(__file__).parent.parent.parent
FILES = [*sorted(ROOT.glob("examples/*/app.yaml"))]


def schema(capfd: pytest.CaptureFixture[str], option: str) -> dict[str, Any]:
    """What the command prints, which is a schema itself."""
    assert command(["schema", option]) == 0
    found: dict[str, Any] = json.loads(capfd.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(found)
    return found


def plain(value: Any) -> Any:
    """YAML as an editor sees it: dates and times are text."""
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_examples_fit_the_application_s_schema(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What check takes, an editor does not underline."""
    jsonschema.validate(plain(YAML(typ="safe", pure=True).load(path.read_text())), schema(capfd, "--application"))


def test_every_key_of_the_language_is_in_the_schema(capfd: pytest.CaptureFixture[str]) -> None:
    """Those of later versions too, where they say so."""
    found = schema(capfd, "--application")
    top = found["properties"]
    pattern = top["patterns"]["additionalProperties"]["properties"]
    places = {
        "application": top, "pattern": pattern, "stream": top["streams"]["additionalProperties"]["properties"],
        "table": top["tables"]["additionalProperties"]["properties"], "feature": top["features"]["additionalProperties"]["properties"],
        "score": top["scores"]["additionalProperties"]["properties"], "flags": top["flags"]["properties"],
        "suppress": pattern["suppress"]["properties"], "test": pattern["tests"]["items"]["properties"],
        "expected flag": pattern["tests"]["items"]["properties"]["expect"]["items"]["properties"],
        "calendar": top["calendars"]["additionalProperties"]["properties"], "list": top["lists"]["additionalProperties"]["properties"],
    }  # fmt: skip
    for section, properties in places.items():
        assert set(SECTIONS[section]) <= set(properties), section
        assert all(properties[key]["description"] for key in SECTIONS[section]), section
        for key in LATER.get(section, ()):
            assert "is not in this version" in properties[key]["description"]


@pytest.mark.parametrize(
    "change",
    [{"patern": {}}, {"tocsin": 2}, {"name": "Shop"}, {"labels": {"l": {"of": "s"}}}, {"rollups": {"r": {"window": {"tumbling": "1h", "session": "1h"}, "select": {}}}}, {"patterns": {"p": {"when": "a", "priority": 7}}},
     {"patterns": {"p": {"when": "a", "suppress": {"cooldown": "5 minutes"}}}}, {"features": {"f": {"summ": "a"}}},
     {"streams": {"s": {"time": "t"}}}],
)  # fmt: skip
def test_mistakes_do_not_fit(change: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    """An editor underlines what check refuses."""
    good = {"tocsin": 1, "name": "shop", "streams": {"s": {"time": "t", "fields": {"t": "timestamp"}}}}
    found = schema(capfd, "--application")
    jsonschema.validate(good, found)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**good, **change}, found)


def test_what_a_run_writes_fits(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Flags, late events and dead letters."""
    (tmp_path / "app.yaml").write_text(
        "tocsin: 1\nname: shop\nstreams:\n  tx:\n    from: {file: tx.jsonl}\n    max_dead: 100%\n    time: ts\n"
        "    fields: {ts: 'timestamp[s]', card: string}\n"
        "patterns: {p: {by: card, when: card = 'a', expires: 1h}}\n"
        "flags: {to: {file: flags.jsonl}, late: {file: late.jsonl}, dead_letters: {file: dead.jsonl}}\n"
    )
    (tmp_path / "tx.jsonl").write_text('{"ts":9,"card":"a"}\n{"ts":1,"card":"a"}\n{"ts":9,"card":5}\n')
    assert command(["run", str(tmp_path / "app.yaml")]) == 0
    for option, file in (("--flag", "flags"), ("--late", "late"), ("--dead-letter", "dead")):
        lines = (tmp_path / f"{file}.jsonl").read_text().splitlines()
        assert len(lines) == 1
        jsonschema.validate(json.loads(lines[0]), schema(capfd, option))


def test_one_schema_at_a_time(capfd: pytest.CaptureFixture[str]) -> None:
    """Usage."""
    assert command(["schema"]) == 2
    assert "expected one of --application, --flag, --late," in " ".join(capfd.readouterr().err.replace("│", " ").split())


def test_a_decision_fits(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """As respond writes it."""
    (tmp_path / "app.yaml").write_text(
        "tocsin: 1\nname: bank\nstreams: {tx: {time: ts, fields: {ts: timestamp, customer_id: string}}}\n"
        "patterns: {takeover: {on: tx, by: customer_id, when: customer_id = 'a'}}\n"
        "respond: {responders: {r: {actions: {default: [{topic: decided}]}}}}\n"
    )
    flags, decisions = written(tmp_path / "flags.jsonl", flag(1)), tmp_path / "decisions.jsonl"
    command_line = ["respond", str(tmp_path / "app.yaml"), "--flags", str(flags), "--once", "--decisions", str(decisions)]
    assert command(command_line) == 0
    found = schema(capfd, "--decision")
    for path in (decisions, tmp_path / "decided.jsonl"):
        [line] = path.read_text().splitlines()
        jsonschema.validate(json.loads(line), found)
