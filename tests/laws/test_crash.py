"""Laws 2 and 4 on files: neither kills at any point nor drains change a flag."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dataflows.running import NothingLeft, run_here
from models.application.load import load
from tests.laws.crashes import job_of, small_reads
from tests.laws.worlds import examples, to_files, world

ROOT = Path(__file__).parent.parent.parent


def flags(folder: Path) -> list[dict[str, Any]]:
    """The flags of a run that ended."""
    return [json.loads(line) for line in (folder / "flags.jsonl").read_text().splitlines()]


def unrecorded(folder: Path) -> list[dict[str, Any]]:
    """Flags without the one wall-clock value."""
    return [{name: value for name, value in flag.items() if name != "recordedtime"} for flag in flags(folder)]


def killed(path: Path, state: Path, seed: int, kills: int, shards: int, processes: int = 1) -> int:
    """Run an application to its end in spite of kills; how often it was killed."""
    command = [sys.executable, "-m", "tests.laws.crashes", str(path), str(state), *map(str, (seed, kills, shards, processes))]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize("seed", range(examples(2)))
def test_kills_change_nothing(seed: int, tmp_path: Path) -> None:
    """Killed at random calls of sources, shards and sinks, a few runs in a row."""
    path = to_files(world(seed, rows=120), tmp_path)
    run_here(job_of(load(path), None, 3))
    whole = flags(tmp_path)
    assert whole
    (tmp_path / "flags.jsonl").unlink()
    assert killed(path, tmp_path / "state", seed, 6, 3)
    assert flags(tmp_path) == whole


@pytest.mark.parametrize("seed", range(examples(1)))
def test_killed_workers_change_nothing(seed: int, tmp_path: Path) -> None:
    """One of two workers is killed, which ends the run; it goes on with both."""
    path = to_files(world(seed + 5, rows=120), tmp_path)
    run_here(job_of(load(path), None, 3))
    whole = unrecorded(tmp_path)
    assert whole
    (tmp_path / "flags.jsonl").unlink()
    assert killed(path, tmp_path / "state", seed, 2, 3, 2)
    assert unrecorded(tmp_path) == whole


@pytest.mark.parametrize("seed", range(examples(3)))
def test_drains_change_nothing(seed: int, tmp_path: Path) -> None:
    """Stopped at random and started again until the input ends: one uninterrupted run, and nothing fires at a stop."""
    dice = random.Random(seed)
    application = load(to_files(world(seed, rows=120), tmp_path))
    run_here(job_of(application, None, 2))
    whole = flags(tmp_path)
    assert whole
    drains = 0
    while True:
        small_reads(dice)
        left = dice.choice([1, 2, 4, 9])
        asked = iter(range(left, -1_000_000, -1))
        job = replace(job_of(application, tmp_path / "state", 2), draining=lambda asked=asked: next(asked) < 0)
        try:
            run_here(job)
        except NothingLeft:
            break
        drains += 1
        assert drains < 1_000
        assert set(map(json.dumps, flags(tmp_path))) <= set(map(json.dumps, whole))
    assert drains > 3
    assert flags(tmp_path) == whole
