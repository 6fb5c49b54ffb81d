"""The first screen of the README: its flag is one that the demo raises; commands of the documents are there."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from rich.text import Text
from typer.main import get_command

from dataflows.commands.app import app
from dataflows.commands.demo import told
from dataflows.generate.bank import Size
from dataflows.generate.write import generate_bank, inputs_of
from dataflows.running import Job, run_here
from models.application.load import load

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()
DOCUMENTS = README + (ROOT / "docs" / "examples.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", DOCUMENTS, re.S) for line in block.splitlines() if line]


def test_the_flag_is_one_of_the_demo(tmp_path: Path) -> None:
    """Word for word as `make demo` shows it."""
    shown = re.search(r"```text\n(.*?)\n```", README, re.S)
    assert shown is not None
    generate_bank(tmp_path, Size(3000, 6000, 30), episodes=12)
    loaded = load(ROOT / "examples" / "card-fraud" / "app.yaml", inputs=inputs_of(tmp_path))
    outputs = replace(loaded.outputs, to=str(tmp_path / "flags.jsonl"), late=None, dead_letters=None)
    run_here(Job(replace(loaded, outputs=outputs), 16, lambda: "now"))
    flags = [json.loads(line) for line in (tmp_path / "flags.jsonl").read_text().splitlines()]
    assert shown[1] in {Text.from_markup(told(flag)).plain for flag in flags}


@pytest.mark.parametrize("line", COMMANDS)
def test_command_is_there(line: str) -> None:
    """A target of the Makefile, or a command of Tocsin with a file that exists."""
    words = shlex.split(line, comments=True)
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.M)
        return
    assert words[0] == "./tocsin"
    assert words[1] in get_command(app).commands  # type: ignore[attr-defined]
    assert all((ROOT / word).exists() for word in words if word.endswith(".yaml"))
