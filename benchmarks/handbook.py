"""W3: the Fraud Detection Handbook's twelve window features over 1.75 M transactions, against the published values."""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

import polars as pl

from dataflows.featuring import featured
from models.application.load import load

DATA = Path(__file__).parent.parent.parent / "shared" / "data" / "handbook_features.parquet"
APPLICATION = """tocsin: 1
name: handbook
streams:
  tx:
    time: ts
    fields:
      tx_id: {type: int, path: TRANSACTION_ID}
      ts: {type: timestamp, path: TX_DATETIME}
      customer: {type: int, path: CUSTOMER_ID}
      terminal: {type: int, path: TERMINAL_ID}
      amount: {type: float, path: TX_AMOUNT}
      fraud: {type: int, path: TX_FRAUD}
features:
  c_n: {count: true, by: customer, over: [1d, 7d, 30d]}
  c_avg: {mean: amount, by: customer, over: [1d, 7d, 30d]}
  t_n: {count: true, by: terminal, over: [1d, 7d, 30d], delay: 7d}
  t_risk: {mean: fraud, by: terminal, over: [1d, 7d, 30d], delay: 7d}
"""
PAIRS = {"c_n": "CUSTOMER_ID_NB_TX", "c_avg": "CUSTOMER_ID_AVG_AMOUNT", "t_n": "TERMINAL_ID_NB_TX", "t_risk": "TERMINAL_ID_RISK"}


def differing(found: pl.DataFrame) -> dict[str, int]:
    """Rows of each feature that differ from the published value, beyond float32's precision."""
    published = pl.read_parquet(DATA)
    counts = {}
    for ours, theirs in PAIRS.items():
        for days in (1, 7, 30):
            gap = (found[f"{ours}_{days}d"].fill_null(0) - published[f"{theirs}_{days}DAY_WINDOW"]).abs()
            counts[f"{ours}_{days}d"] = int((gap > 1e-4).sum())
    return counts


def run() -> tuple[pl.DataFrame, float]:
    """All features, and the seconds they took."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "app.yaml"
        path.write_text(APPLICATION)
        application = load(path, inputs={"tx": str(DATA)})
        started = time.perf_counter()
        found = featured(application, "tx")
        return found, time.perf_counter() - started


def main() -> list[tuple[str, str]]:
    """Measure and compare; nothing where the data is not beside the checkout."""
    if not DATA.exists():
        return [("W3 handbook", "not measured: ../shared/data/handbook_features.parquet is not there")]
    run()
    found, seconds = run()
    counts = differing(found)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return [
        ("W3 handbook, 12 features", f"{seconds:.2f} s for {found.height:,} rows"),
        ("W3 rows that differ, customers", str(max(counts[n] for n in counts if n.startswith("c_")))),
        ("W3 rows that differ, terminals", str(max(counts[n] for n in counts if n.startswith("t_")))),
        ("W3 peak memory of the process", f"{peak:.2f} GB"),
    ]
