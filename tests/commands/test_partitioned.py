"""``partitioned_by`` on the command line: what a broken promise says, and what ``plan`` tells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dataflows.commands.app import command
from tests.dataflows.test_partitioned import APPLICATION, sampled_key, written


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """The application with a key in two partitions that the check looks at."""
    written(tmp_path)
    for number in range(2):
        with (tmp_path / f"pays-{number}.jsonl").open("a") as file:
            file.write(json.dumps({"ts": 20, "card": sampled_key(), "shop": 1}) + "\n")
    return tmp_path / "app.yaml"


def test_a_broken_promise_is_counted(broken: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """In the summary, with the cure; for machines too."""
    assert command(["run", str(broken)]) == 0
    assert (
        "pays: 1 of the keys looked at (1 in 1,024) lie in two partitions, against partitioned_by: card. Their flags are wrong: have "
        "the input written by card, or remove partitioned_by" in capfd.readouterr().err
    )
    assert command(["run", str(broken), "--json"]) == 0
    assert '"violations": {"pays": 1}' in capfd.readouterr().err


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_broken_promise_ends_a_strict_run(processes: str, broken: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Which key, where, and the cure."""
    assert command(["run", str(broken), "--strict", "--processes", processes]) == 1
    err = capfd.readouterr().err
    assert f"stream pays: expected one partition for card {sampled_key()}, as partitioned_by promises; found it in partitions" in err
    assert "Have the input written by card, or remove partitioned_by" in err and "Traceback" not in err


def test_plan_tells_what_is_not_exchanged(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """And why, where a promise does not help."""
    written(tmp_path, APPLICATION.replace("n >= 2", "n >= 2 and seen >= 0"))
    assert command(["plan", str(tmp_path / "app.yaml")]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert "  wait  within its own partition alone among pays, logins: nothing is exchanged; lateness at most 0s" in lines
    assert "        where their partition counts are equal; else as without partitioned_by" in lines
    one = APPLICATION.replace('{files: "logins-*.jsonl", as: partitions}', "{files: logins-*.jsonl}")
    written(tmp_path, one.replace("n >= 2", "n >= 2 and seen >= 0"))
    assert command(["plan", str(tmp_path / "app.yaml")]) == 0
    assert (
        "note stage 1 exchanges rows despite partitioned_by: the files of logins are one partition (as: partitions makes each its own)"
        in capfd.readouterr().out
    )
