"""Law 1 with and without ``partitioned_by``: the same flags, byte for byte, though no partition waits for another."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.planning.partitioned import divided
from dataflows.planning.plan import plan
from dataflows.running import run_here
from dataflows.state.directory import StateProblem
from models.application.load import load
from tests.laws.crashes import job_of
from tests.laws.sweeps import Anything
from tests.laws.test_crash import ROOT, flags, killed
from tests.laws.worlds import Run, World, examples, memory_readers, to_files, world

FACTS = """features:
  n: {count: true, of: pays, by: card, over: 15s}
  total: {sum: amount, of: pays, by: card, over: 7s, delay: 2s}
  fails: {count: true, of: logins, where: not ok, by: card, over: 15s}
  here: {count: true, of: pays, by: shop, over: 7s}
patterns:
  many: {on: pays, by: card, when: n >= 2 and (fails > 0 or total > 5), suppress: {cooldown: 7s}}
  held: {on: pays, by: card, when: amount > 2, hold: 3s, suppress: {debounce: 2s}}
  again: {on: many, by: card, when: flag.severity is not null}
  shops: {on: pays, by: shop, when: here >= 3 or n >= 3}
  taken:
    by: card
    sequence:
      - login: {on: logins, when: not ok}
      - pay: {on: pays, when: amount > 1}
    within: 20s
    on_timeout: flag
"""
SEEDS = st.integers(0, 2**31)


def promised(seed: int) -> World:
    """A world of a seed whose cards lie in one partition each: what comes in some order, put into partitions by card."""
    dice = random.Random(seed)
    found = world(seed, facts=FACTS)
    count = dice.randint(1, 4)
    for name in ("pays", "logins"):
        rows = [row for rows in found.partitions[name] for row in rows]
        parts: list[list[bytes]] = [[] for _ in range(count)]
        for row in sorted(rows, key=lambda row: json.loads(row)["ts"] + dice.choice([0, 0, 0, 3])):
            parts[zlib.crc32(str(json.loads(row)["card"]).encode()) % count].append(row)
        found.partitions[name] = parts
    return found


def promising(found: World) -> World:
    """The same world that says so."""
    streams = {name: replace(stream, partitioned_by=("card",)) for name, stream in found.application.streams.items()}
    return replace(found, application=replace(found.application, streams=streams))


@settings(max_examples=examples(12))
@given(SEEDS, st.sampled_from([1, 5, 40]), st.sampled_from([1, 5, 16]), st.sampled_from([0.0, 0.2]))
def test_the_promise_changes_no_flag(seed: int, most: int, shards: int, restart: float) -> None:
    """Any cuts, partitions in any order, a second stage by hash behind, eviction at random, restarts."""
    without = promised(seed)
    with_ = promising(without)
    compiled = plan(with_.application)
    assert divided(compiled, memory_readers(with_, compiled, Run()), shards).counts
    assert Run(random.Random(seed), most, shards, Anything, restart).flags(with_) == Run().flags(without)


def over_files(seed: int, folder: Path) -> Path:
    """A world that promises its partitions, as files."""
    found = promised(seed)
    return to_files(replace(found, text=found.text.replace("    time: ts\n", "    time: ts\n    partitioned_by: card\n")), folder)


def without_promise(path: Path) -> list[dict[str, Any]]:
    """The flags of a run of the same files without the promise."""
    loaded = load(path)
    streams = {name: replace(stream, partitioned_by=()) for name, stream in loaded.streams.items()}
    run_here(job_of(replace(loaded, streams=streams), None, 3))
    found = flags(path.parent)
    assert found
    (path.parent / "flags.jsonl").unlink()
    return found


@pytest.mark.parametrize(("seed", "processes"), [(1, 2), (4, 3)])
def test_the_promise_changes_no_flag_of_processes(seed: int, processes: int, tmp_path: Path) -> None:
    """Each partition is read by the worker that has its shard."""
    path = over_files(seed, tmp_path)
    whole = without_promise(path)
    command = [sys.executable, "-m", "dataflows", "run", str(path), "--processes", str(processes), "--strict"]
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True)
    assert [{**flag, "recordedtime": "now"} for flag in flags(tmp_path)] == whole


def test_kills_change_nothing_with_the_promise(tmp_path: Path) -> None:
    """Killed at random calls of sources, shards and sinks; then a partition more is refused, since keys have moved."""
    path = over_files(6, tmp_path)
    whole = without_promise(path)
    assert killed(path, tmp_path / "state", 6, 5, 3) > 1
    assert flags(tmp_path) == whole


def test_a_changed_partition_count_is_refused(tmp_path: Path) -> None:
    """Keys lie elsewhere than their state."""
    path = over_files(6, tmp_path)
    asked = iter(range(3, -1_000_000, -1))
    run_here(replace(job_of(load(path), tmp_path / "state", 2), draining=lambda: next(asked) < 0))
    count = len(list(tmp_path.glob("pays-*.jsonl")))
    (tmp_path / f"pays-{count}.jsonl").write_text("")
    with pytest.raises(StateProblem) as refused:
        run_here(job_of(load(path), tmp_path / "state", 2))
    assert str(refused.value) == (
        f"{tmp_path / 'state'}: stream pays: expected {count} partition(s), as in the saved state; found {count + 1}: keys have moved: "
        "rebuild by replay, or remove `partitioned_by`"
    )
