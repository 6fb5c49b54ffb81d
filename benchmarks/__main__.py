"""``python -m benchmarks``: all figures as a table."""

from __future__ import annotations

import os
import sys

os.environ.setdefault("POLARS_MAX_THREADS", "1")

from benchmarks import bank, handbook, linear, long, rotten, startup, w1, w5  # noqa: E402 - the number of threads is read at import

if __name__ == "__main__":
    chosen = sys.argv[1:]
    modules = {"w1": w1, "w5": w5, "rotten": rotten, "handbook": handbook, "bank": bank, "linear": linear, "long": long,
               "startup": startup}  # fmt: skip
    for name, module in modules.items():
        if not chosen or name in chosen:
            for what, figure in module.main():
                print(f"{what:<36} {figure}")
