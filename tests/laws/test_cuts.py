"""Law 1: cuts, shards, processes and the runtime never change the flags."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dataflows.connectors import files
from dataflows.generate.bank import Size
from dataflows.generate.write import generate_bank, inputs_of
from dataflows.running import Job, run_here
from models.application.load import load
from tests.laws.worlds import to_files, world

ROOT = Path(__file__).parent.parent.parent
APPLICATION = ROOT / "examples" / "card-fraud" / "app.yaml"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small bank."""
    folder = tmp_path_factory.mktemp("bank")
    generate_bank(folder, Size(200, 400, 10), episodes=3)
    return folder


def run(data: Path, out: Path, shards: int) -> list[dict[str, Any]]:
    """The flags of one run, in the order of the file."""
    loaded = load(APPLICATION, inputs=inputs_of(data))
    outputs = replace(loaded.outputs, to=str(out / "flags.jsonl"), late=None, dead_letters=None)
    run_here(Job(replace(loaded, outputs=outputs), shards, lambda: "now"))
    return [json.loads(line) for line in (out / "flags.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(("shards", "block"), [(1, 8 << 20), (16, 50_000), (64, 4_000)])
def test_flags_do_not_depend_on_shards_or_blocks(
    data: Path, tmp_path: Path, shards: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same flags, byte for byte, for 1, 16 and 64 shards and blocks of any size."""
    (tmp_path / "one").mkdir()
    whole = run(data, tmp_path / "one", 16)
    monkeypatch.setattr(files, "BLOCK", block)
    assert whole
    assert run(data, tmp_path, shards) == whole


def test_flags_do_not_depend_on_processes(data: Path, tmp_path: Path) -> None:
    """Two processes over loopback give the flags of one."""
    whole = run(data, tmp_path, 16)
    out = tmp_path / "two.jsonl"
    overlay = tmp_path / "out.yaml"
    overlay.write_text(f"flags: {{to: {{file: {out}}}}}\n")
    command = [
        sys.executable, "-m", "dataflows", "run", str(APPLICATION), "--processes", "2", "--with", str(overlay),
        *(f"--input={name}={path}" for name, path in inputs_of(data).items()),
    ]  # fmt: skip
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True)
    found = [json.loads(line) for line in out.read_text().splitlines()]
    for flag in [*found, *whole]:
        flag.pop("recordedtime")
    assert found == whole


@pytest.mark.parametrize(("seed", "processes", "shards"), [(2, 2, 16), (9, 3, 5)])
def test_processes_change_nothing_of_a_random_world(tmp_path: Path, seed: int, processes: int, shards: int) -> None:
    """Several partitions of each source with ties, late and unreadable rows: processes over loopback, against one with one shard."""
    path = to_files(world(seed), tmp_path)
    found = []
    for arguments in (["--shards", "1"], ["--shards", str(shards), "--processes", str(processes)]):
        command = [sys.executable, "-m", "dataflows", "run", str(path), *arguments]
        subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True)
        flags = [json.loads(line) for line in (tmp_path / "flags.jsonl").read_text().splitlines()]
        found.append([{name: value for name, value in flag.items() if name != "recordedtime"} for flag in flags])
    assert found[0]
    assert found[0] == found[1]
