"""Windows equal DuckDB's range windows on random data: every aggregate, with ties, gaps, delay, exclude_current, where, NULLs."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.featuring import featured
from models.application.load import load

ROWS = 600
WIDE = 1_000
"""More than the rows of one moment: time * WIDE + row is the total order as one number."""
PLAIN = {
    "count": ("count: true", "count(*) {f} over {w}"),
    "sum": ("sum: x", "coalesce(sum(x) {f} over {w}, 0)"),
    "sum_int": ("sum: y", "coalesce(sum(y) {f} over {w}, 0)"),
    "mean": ("mean: x", "avg(x) {f} over {w}"),
    "mean_int": ("mean: y", "avg(y) {f} over {w}"),
    "min": ("min: x", "min(x) {f} over {w}"),
    "max": ("max: x", "max(x) {f} over {w}"),
    "min_int": ("min: y", "min(y) {f} over {w}"),
    "max_int": ("max: y", "max(y) {f} over {w}"),
    "std": ("std: x", "stddev_samp(x) {f} over {w}"),
    "std_int": ("std: y", "stddev_samp(y) {f} over {w}"),
    "distinct": ("distinct: y", "count(distinct y) {f} over {w}"),
    "distinct_text": ("distinct: z", "count(distinct z) {f} over {w}"),
    "first": ("first: x", "(list(x) {f} over {w})[1]"),
    "last": ("last: z", "(list(z) {f} over {w})[-1]"),
    "quantile": ("quantile: x, q: 0.3", "quantile_cont(x, 0.3) {f} over {w}"),
    "ratio": ("ratio: y > 2", "avg(coalesce(y > 2, false)::int) {f} over {w}"),
}
EARLIER = {
    "previous": ("previous: x", "(list(x) {f} over {w})[-1]"),
    "third_last": ("previous: y, n: 3", "(list(y) {f} over {w})[-3]"),
    "since_last": ("since_last: true", "ts - max(ts) {f} over {w}"),
    "is_new": ("is_new: y", "case when y is not null then not coalesce(list_contains(list(y) {f} over {w}, y), false) end"),
}
VALUES = [None, -2.5, 0.0, 0.25, 1.0, 7.75, 1e6]


def rows_of(seed: int) -> list[dict[str, Any]]:
    """Random events: half of them share their moment with the one before, some come after a long gap."""
    random = np.random.default_rng(seed)
    time = np.cumsum(random.choice([0, 1, 3, 40], ROWS, p=[0.5, 0.3, 0.18, 0.02]))
    return [
        {"n": n, "ts": int(t), "k": int(random.integers(0, 4)), "x": VALUES[random.integers(0, 7)],
         "y": None if random.random() < 0.2 else int(random.integers(0, 6)), "z": "abc"[random.integers(0, 3)] * 3,
         "f": bool(random.random() < 0.6)}
        for n, t in enumerate(time)
    ]  # fmt: skip


def application(over: int | None, delay: int, exclude: bool) -> str:
    """All aggregates, each over all rows and over those that pass a condition."""
    window = f"by: k{f', over: {over}us' if over else ''}{f', delay: {delay}us' if delay else ''}"
    features = []
    for name, (text, _) in (PLAIN | EARLIER).items():
        more = ", exclude_current: true" if exclude and name in PLAIN else ""
        features.append(f"  f_{name}: {{{text}, {window}{more}}}")
        features.append(f"  f_{name}w: {{{text}, {window}{more}, where: f}}")
    fields = 'n: int, ts: "timestamp[us]", k: int, x: "float?", y: "int?", z: string, f: bool'
    return f"tocsin: 1\nname: windows\nstreams:\n  tx:\n    time: ts\n    fields: {{{fields}}}\nfeatures:\n" + "\n".join(features)


def expected(path: Path, over: int | None, delay: int, exclude: bool) -> dict[str, list[Any]]:
    """The same by DuckDB, over frames on the total order as one number."""

    def frame(before: bool) -> str:
        begin = "unbounded" if over is None else f"(n + {(over + delay - 1) * WIDE})"
        end = f"(n + {(delay - 1) * WIDE + 1})" if delay else str(int(before))
        return f"(partition by k order by o range between {begin} preceding and {end} preceding)"

    wanted = []
    for name, (_, text) in (PLAIN | EARLIER).items():
        window = frame(exclude or name in EARLIER)
        wanted.append(f"{text.format(f='', w=window)} as f_{name}")
        wanted.append(f"{text.format(f='filter (where f)', w=window)} as f_{name}w")
    columns = "{n: 'bigint', ts: 'bigint', k: 'bigint', x: 'double', y: 'bigint', z: 'varchar', f: 'boolean'}"
    source = (
        f"(select *, ts * {WIDE} + n % {WIDE} as o from read_json('{path}', columns = {columns}, format = 'newline_delimited'))"
    )
    found = duckdb.sql(f"select {', '.join(wanted)} from {source} order by n")
    return dict(zip(found.columns, map(list, zip(*found.fetchall(), strict=True)), strict=True))


@settings(max_examples=8)
@given(
    seed=st.integers(0, 10_000),
    over=st.sampled_from([None, 1, 5, 60]),
    delay=st.sampled_from([0, 1, 4]),
    exclude=st.booleans(),
)
def test_windows_equal_duckdb(seed: int, over: int | None, delay: int, exclude: bool) -> None:
    """Every aggregate at every event."""
    with tempfile.TemporaryDirectory() as folder:
        events, app = Path(folder) / "tx.jsonl", Path(folder) / "app.yaml"
        events.write_text("".join(json.dumps(row) + "\n" for row in rows_of(seed)))
        app.write_text(application(over, delay, exclude))
        found = featured(load(app, inputs={"tx": str(events)}), "tx")
        for name, wanted in expected(events, over, delay, exclude).items():
            column = found[name]
            values = (column.dt.total_microseconds() if column.dtype == pl.Duration else column).to_list()
            for n, (value, want) in enumerate(zip(values, wanted, strict=True)):
                close = name.startswith(("f_std", "f_mean", "f_quantile", "f_ratio"))
                assert value == (pytest.approx(want, rel=1e-12) if close and want is not None else want), (name, n, value, want)
                assert value is None or not isinstance(value, float) or math.isfinite(value)
