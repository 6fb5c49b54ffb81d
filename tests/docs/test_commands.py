"""Every command of docs/commands.md runs, in its order, and prints what the page says."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from dataflows.commands.app import app, command

PAGE = (Path(__file__).parent.parent.parent / "docs" / "commands.md").read_text()
BLOCKS = re.findall(r"```(sh|yaml|json|text)\n(.*?)```", PAGE, re.S)


def test_the_page_s_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """In one folder, one after another; ID is the first flag's."""
    monkeypatch.chdir(tmp_path)
    printed = ""
    for kind, text in BLOCKS:
        if kind == "yaml":
            Path("tries.yaml").write_text(text)
        elif kind == "json":
            Path("tries.jsonl").write_text(text)
        elif kind == "text":
            assert printed == text
        for line in text.splitlines() if kind == "sh" else ():
            name, *words = shlex.split(line)
            words = [first_id() if word == "ID" else word for word in words]
            assert (name, command(words)) == ("tocsin", 0), (line, capfd.readouterr().err)
            printed = capfd.readouterr().out


def first_id() -> str:
    """The id of the first flag of the run before."""
    return str(json.loads(Path("out/flags.jsonl").read_text().splitlines()[0])["id"])


def test_every_command_is_on_the_page_and_has_an_example() -> None:
    """None is forgotten."""
    named = [each.name or each.callback.__name__ for each in app.registered_commands if each.callback and not each.hidden]
    assert len(named) > 8
    for name in named:
        assert re.search(rf"\b{name}\b", PAGE), name
    for each in app.registered_commands:
        assert each.callback is not None
        assert each.hidden or f"Example: tocsin {each.name or each.callback.__name__}" in (each.callback.__doc__ or "")
