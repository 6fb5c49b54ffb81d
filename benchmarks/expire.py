"""Partial matches expire: ten million events over five million keys, which open far more attempts than ever complete."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.data import START, small
from benchmarks.linear import MILLION, measured

APPLICATION = """tocsin: 1
name: expire
streams:
  tx:
    from: {file: "expire-*.jsonl"}
    time: ts
    fields: {card: string, amount: float, ts: "timestamp[ms]"}
patterns:
  thrice:
    by: card
    sequence: [one: {when: amount > 0}, two: {when: amount > one.amount}, three: {when: amount > 500}]
    within: 10m
flags:
  to: {file: flags.jsonl}
"""


def main(millions: int = 10, keys: int = 5 * MILLION) -> list[tuple[str, str]]:
    """Measure in a process of its own; two milliseconds between events, so that 300,000 of them lie within ten minutes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "app.yaml").write_text(APPLICATION)
        random = np.random.default_rng(3)
        for place in range(millions):
            times = START + (place * MILLION + np.arange(MILLION)) * 2
            small(folder / f"expire-{place}.jsonl", random.integers(0, keys, MILLION), times)
        found = measured(folder / "app.yaml")
    after = np.cumsum(found["rows"])
    parts = []
    for end in (2, millions // 2, millions):
        most = max(held for held, rows in zip(found["resident"], after, strict=True) if rows <= end * MILLION)
        parts.append(f"{most / 1e6:.0f} MB after {end} M")
    return [
        (f"{millions} M events, {keys // MILLION} M keys, within 10m", ", ".join(parts)),
        ("the same, speed", f"{after[-1] / sum(found['turns']) / MILLION:.2f} M events/s"),
    ]
