"""What a window's length costs: each aggregate over 100 and over 10,000 entries of one key."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from dataflows.operators.windows import Windows
from dataflows.operators.zscore import ZScores
from models.application.load import load
from models.application.resolved.facts import Feature, Score
from models.application.resolved.places import By
from models.expressions.expression import Expression
from models.expressions.tree import Node
from models.values.column import Column
from models.values.types import FLOAT, INT

APPLICATION = """tocsin: 1
name: long
streams:
  tx:
    time: ts
    fields: {ts: "timestamp[us]", key: int, x: float, y: int}
features:
"""
AGGREGATES = {"count": "true", "sum": "x", "mean": "x", "min": "x", "max": "x", "std": "x", "distinct": "y", "is_new": "y"}


def main(rows: int = 100_000) -> list[tuple[str, str]]:
    """Microseconds of processor time an event, and how much a window a hundred times as long costs."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "app.yaml"
        lines = [
            f"  {name}_{over}: {{{name}: {of}, by: key, over: {over}us}}"
            for name, of in AGGREGATES.items()
            for over in (100, 10_000)
        ]
        path.write_text(APPLICATION + "\n".join(lines) + "\n")
        features = load(path).features
    shown = []
    for name in AGGREGATES:
        short, long = (_seconds(features[f"{name}_{over}"], rows) / rows * 1e6 for over in (100, 10_000))
        shown.append((f"window of 100 and 10,000: {name}", f"{short:.2f} µs, {long:.2f} µs"))
    short, long = (_zscore_seconds(over, rows) / rows * 1e6 for over in (100, 10_000))
    return [*shown, ("window of 100 and 10,000: zscore", f"{short:.2f} µs, {long:.2f} µs")]


def _seconds(feature: Feature, rows: int) -> float:
    random = np.random.default_rng(0)
    values = {"x": Column(FLOAT, random.normal(100, 20, rows).round(2)), "y": Column(INT, random.integers(0, 5_000, rows))}
    given = {} if feature.value is None else {feature.name: values[next(iter(feature.value.reads))]}
    log = (feature.of, feature.by.fields)
    least = float("inf")
    for _ in range(3):
        windows = Windows([feature])
        slot, moment = np.zeros(rows, np.int64), np.arange(rows)
        started = time.process_time()
        windows.process(slot, moment, {log: None}, {feature.name: None}, given, {}, {})
        least = min(least, time.process_time() - started)
    return least


def _zscore_seconds(over: int, rows: int) -> float:
    x = np.random.default_rng(0).normal(100, 20, rows).round(2)
    score = Score("z", 0, "zscore", "tx", By(("key",), ("key",)), Expression("x", Node("column", FLOAT, "x", value="x")), over)
    least = float("inf")
    for _ in range(3):
        scores = ZScores([score])
        started = time.process_time()
        scores.process(np.zeros(rows, np.int64), np.arange(rows), {("tx", ("key",)): None}, {}, {"z": Column(FLOAT, x)}, {})
        least = min(least, time.process_time() - started)
    return least
