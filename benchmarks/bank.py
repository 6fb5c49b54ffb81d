"""The example card-fraud over a month of the generated bank, and generating half a year of it."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path

from dataflows.generate.bank import Size
from dataflows.generate.score import score
from dataflows.generate.write import generate_bank, inputs_of
from dataflows.running import Job, run_here
from models.application.load import load

APPLICATION = Path(__file__).parent.parent / "examples" / "card-fraud" / "app.yaml"
RUNS = 3


def main() -> list[tuple[str, str]]:
    """Seconds of processor time, the least of some runs; what is found is asserted to be nearly all that was planted."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        halfyear = [_halfyear(data / "large") for _ in range(2)]
        generate_bank(data, Size(3000, 6000, 30), episodes=12)
        loaded = load(APPLICATION, inputs=inputs_of(data))
        outputs = replace(loaded.outputs, to=str(data / "flags.jsonl"), late=None, dead_letters=None)
        job = Job(replace(loaded, outputs=outputs), 16, lambda: "now")
        seconds, rows = min(_run(job) for _ in range(RUNS))
        kinds = score(data / "flags.jsonl", data / "labels.csv")
    found, planted = sum(kind.found for kind in kinds), sum(kind.planted for kind in kinds)
    flags, right = sum(kind.flags for kind in kinds), sum(kind.right for kind in kinds)
    assert found > 0.85 * planted
    assert right > 0.95 * flags
    return [
        ("bank: half a year generated", f"{min(halfyear)[0]:.1f} s for {halfyear[0][1]:,} payments"),
        ("bank: a month, 8 patterns, 5 entities", f"{rows / seconds:,.0f} events/s ({rows:,} in {seconds:.1f} s)"),
        ("bank: episodes found", f"{found} of {planted}"),
        ("bank: flags of fraud", f"{right} of {flags}, {flags / 30:.0f} a day"),
    ]


def _halfyear(out: Path) -> tuple[float, int]:
    started = time.process_time()
    written = generate_bank(out, Size())
    return time.process_time() - started, written.payments


def _run(job: Job) -> tuple[float, int]:
    started = time.process_time()
    counts = run_here(job)
    return time.process_time() - started, sum(counts.rows.values())
