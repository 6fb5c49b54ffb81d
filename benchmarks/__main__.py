"""``python -m benchmarks``: all figures as a table."""

from __future__ import annotations

import os
import sys

os.environ.setdefault("POLARS_MAX_THREADS", "1")

from benchmarks import bank, cascade, expire, handbook, latency, linear, long, patterns, respond, rotten, startup, w1, w2, w4, w5  # noqa: E402 - read late

MODULES = {
    "w1": w1, "w2": w2, "w4": w4, "w5": w5, "rotten": rotten, "handbook": handbook, "bank": bank, "linear": linear, "long": long,
    "patterns": patterns, "expire": expire, "startup": startup, "latency": latency, "cascade": cascade, "respond": respond,
}  # fmt: skip

if __name__ == "__main__":
    chosen = sys.argv[1:]
    for name, module in MODULES.items():
        if not chosen or name in chosen:
            for what, figure in module.main():
                print(f"{what:<36} {figure}")
