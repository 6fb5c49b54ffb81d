"""Cost is linear in events, nothing for idle keys, and memory is what keys hold: each measured in a process of its own."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.data import START, events, later, small
from benchmarks.w1 import APPLICATION

MILLION = 1_000_000
STEP = 10 * MILLION
"""Milliseconds of a million events of W1."""
SMALL = """tocsin: 1
name: small
streams:
  tx:
    from: {file: "small-*.jsonl"}
    time: ts
    fields: {card: string, amount: float, ts: "timestamp[ms]"}
features:
  n: {count: true, by: card, over: 24h}
  total: {sum: amount, by: card, over: 24h, delay: 1h}
  before: {mean: amount, by: card, over: 24h, exclude_current: true}
patterns:
  many: {by: card, when: n > 1000000 and total > 0 and before > 0}
flags:
  to: {file: flags.jsonl}
"""
"""Three windows of a day on each card."""


def child(path: Path) -> None:
    """Run an application, and say the processor seconds of each read and how memory grew, as one JSON line."""
    from dataflows.engine import Engine
    from dataflows.planning.plan import plan
    from dataflows.reading.readers import file_readers
    from models.application.load import load

    compiled = plan(load(path))
    first = Engine(compiled, file_readers(compiled), shards=16)
    first.turn(first.readers[0], first.readers[0].read())  # kernels are read from their cache once
    del first
    engine = Engine(compiled, file_readers(compiled), shards=16)
    before = _resident()
    turns, rows, resident = [], [], []
    while not engine.readers[0].done:
        started = time.process_time()
        rows.append(engine.turn(engine.readers[0], engine.readers[0].read()).judged.rows)
        turns.append(time.process_time() - started)
        resident.append(_resident() - before)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"turns": turns, "rows": rows, "resident": resident, "grown": peak - before, "held": resident[-1]}))


def main(most: int = 16) -> list[tuple[str, str]]:
    """All figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return [*_rates(folder, most), *_idle(folder), *_memory(folder)]


def _rates(folder: Path, most: int) -> list[tuple[str, str]]:
    """Events a second and memory at 1, 4, … million events over the same keys."""
    application = folder / "app.yaml"
    application.write_text(APPLICATION.replace("{file: w1.jsonl}", '{file: "w1-*.jsonl"}'))
    events(folder / "w1-0.jsonl", MILLION)
    rows: list[tuple[str, str]] = []
    done = 1
    for millions in (1, 4, 16):
        if millions > most:
            break
        for place in range(done, millions):
            later(folder / "w1-0.jsonl", folder / f"w1-{place}.jsonl", place * STEP)
        done = millions
        found = min((measured(application) for _ in range(2)), key=lambda found: sum(found["turns"]))
        rate = sum(found["rows"]) / sum(found["turns"]) / MILLION
        rows.append((f"linear, {millions} M events", f"{rate:.2f} M events/s, {found['grown'] / 1e6:.0f} MB"))
    for file in folder.glob("w1-*.jsonl"):
        file.unlink()
    return rows


def _idle(folder: Path) -> list[tuple[str, str]]:
    """Seconds of a million events of a thousand cards, with a million idle cards and without."""
    application = folder / "small.yaml"
    application.write_text(SMALL)
    random = np.random.default_rng(1)
    times = START + np.arange(MILLION)
    small(folder / "small-2.jsonl", random.integers(0, 1000, MILLION), times + MILLION)
    without = min(_last_million(measured(application)) for _ in range(3))
    small(folder / "small-1.jsonl", random.permutation(MILLION), times)
    beside = min(_last_million(measured(application)) for _ in range(3))
    for file in folder.glob("small-*.jsonl"):
        file.unlink()
    return [("a million events beside 1 M idle keys", f"{beside:.2f} s, {beside / without:.2f} x of none")]


def _memory(folder: Path) -> list[tuple[str, str]]:
    """What a million cards with ten events each in three windows of a day take."""
    application = folder / "small.yaml"
    random = np.random.default_rng(2)
    for place in range(10):
        times = START + (place * MILLION + np.arange(MILLION)) * 8
        small(folder / f"small-{place}.jsonl", random.permutation(MILLION), times)
    found = measured(application)
    rate = sum(found["rows"]) / sum(found["turns"]) / MILLION
    return [
        ("1 M keys x 3 windows of 24 h x 10", f"{found['grown'] / 1e9:.2f} GB at most, {found['held'] / 1e9:.2f} at the end"),
        ("the same, speed", f"{rate:.2f} M events/s"),
    ]


def _last_million(found: dict[str, list[float]]) -> float:
    rows = np.cumsum(found["rows"][::-1])
    return float(np.sum(found["turns"][::-1][: int(np.searchsorted(rows, MILLION)) + 1]))


def measured(application: Path) -> dict[str, list[float]]:
    """What ``child`` says of an application, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.linear", str(application)]
    found: dict[str, list[float]] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def _resident() -> int:
    """Bytes of memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    child(Path(sys.argv[1]))
