"""The example finds each planted incident, once, soon, and nothing else."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from dataflows.generate.ops import generate_ops, inputs_of
from dataflows.running import Job, run_here
from models.application.load import load

APPLICATION = Path(__file__).parent.parent.parent / "examples" / "ops-alerts" / "app.yaml"
LATEST_MINUTES = {"errors_after_deploy": 12, "cpu_high": 8, "endpoint_down": 8, "latency_shift": 40}
"""How long after its start an incident may be flagged; a shift of latencies is told once it is over."""


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """All files."""
    for name in ("one", "two"):
        generate_ops(tmp_path / name, hours=4, seed=5)
    files = sorted((tmp_path / "one").iterdir())
    assert len(files) == 5
    assert all(file.read_bytes() == (tmp_path / "two" / file.name).read_bytes() for file in files)


@pytest.mark.parametrize("seed", [1, 2])
def test_each_incident_is_told_once(tmp_path: Path, seed: int) -> None:
    """By the pattern of its kind, about its key; an endpoint's end is told too."""
    generate_ops(tmp_path, hours=12, seed=seed, incidents=2)
    loaded = load(APPLICATION, inputs=inputs_of(tmp_path))
    outputs = replace(loaded.outputs, to=str(tmp_path / "flags.jsonl"), late=None, dead_letters=None)
    run_here(Job(replace(loaded, outputs=outputs), 4, lambda: "now"))
    flags = [json.loads(line) for line in (tmp_path / "flags.jsonl").read_text().splitlines()]
    told: Counter[int] = Counter()
    labels = pl.read_csv(tmp_path / "labels.csv").rows(named=True)
    for flag in flags:
        name, key = flag["data"]["pattern"]["name"], flag["subject"].split("/")[1]
        ts = datetime.fromisoformat(flag["time"]).timestamp() * 1000
        found = [
            number for number, label in enumerate(labels)
            if (label["kind"], label["key"]) == (name, key) and 0 <= ts - label["start"] <= LATEST_MINUTES[name] * 60_000
        ]  # fmt: skip
        assert found, flag["data"]["pattern"]["title"]
        told.update(found)
    assert told == {number: 2 if label["kind"] == "endpoint_down" else 1 for number, label in enumerate(labels)}
