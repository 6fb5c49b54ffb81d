"""W1: two windows by card, three Boolean patterns, from file to written flags, beside a plain Python loop and decode-only."""

from __future__ import annotations

import io
import tempfile
import time
from collections import defaultdict, deque
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl

from dataflows.connectors.files import line_blocks
from dataflows.decoding.json import JsonDecoder
from dataflows.running import Job, run_here
from models.application.load import load

WINDOW = 600_000
APPLICATION = """tocsin: 1
name: w1
streams:
  tx:
    from: {file: w1.jsonl}
    time: ts
    id: tx_id
    fields: {tx_id: string, card: string, amount: float, country: int, device: string, ts: "timestamp[ms]"}
features:
  c: {count: true, by: card, over: 10m}
  s: {sum: amount, by: card, over: 10m}
patterns:
  many: {by: card, when: c > 3 and s > 500}
  far: {by: card, when: amount > 400 and country = 7}
  jump: {by: card, when: amount > 4 * (s / c) and c > 2}
flags:
  to: {file: flags.jsonl}
"""


def events(path: Path, n: int, cards: int = 200_000) -> None:
    """Write n events of about 100 bytes, ten milliseconds apart."""
    random = np.random.default_rng(0)
    card, cents = random.integers(0, cards, n), np.minimum(random.exponential(6_000, n).astype(np.int64), 99_999)
    country, device = random.integers(0, 30, n), random.integers(0, 90_000, n)
    with path.open("w", encoding="ascii") as file:
        for i, (c, a, k, d) in enumerate(zip(card.tolist(), cents.tolist(), country.tolist(), device.tolist(), strict=True)):
            file.write(
                f'{{"tx_id":"t{i:07d}","card":"c{c:06d}","amount":{a // 100}.{a % 100:02d},"country":{k},'
                f'"device":"d{d:05d}","ts":{1_700_000_000_000 + i * 10}}}\n'
            )


def loop(path: Path) -> set[tuple[str, str]]:
    """The same in plain Python: orjson, deques."""
    state: dict[str, list[Any]] = defaultdict(lambda: [deque(), 0.0])
    hits: set[tuple[str, str]] = set()
    with path.open("rb") as file:
        for line in file:
            event = orjson.loads(line)
            window = state[event["card"]]
            queue, now, amount = window[0], event["ts"], event["amount"]
            while queue and queue[0][0] <= now - WINDOW:
                window[1] -= queue.popleft()[1]
            queue.append((now, amount))
            window[1] += amount
            count, total = len(queue), window[1]
            if count > 3 and total > 500:
                hits.add(("many", event["tx_id"]))
            if amount > 400 and event["country"] == 7:
                hits.add(("far", event["tx_id"]))
            if amount > 4 * (total / count) and count > 2:
                hits.add(("jump", event["tx_id"]))
    return hits


def main(n: int = 1_000_000) -> list[tuple[str, str]]:
    """Measure, check that the flags are the loop's, and give (what, figure) rows."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w1.jsonl"
        events(path, n)
        (Path(folder) / "app.yaml").write_text(APPLICATION)
        application = load(Path(folder) / "app.yaml")
        decoder = JsonDecoder(application.streams["tx"].fields, frozenset(application.streams["tx"].fields), frozenset())
        blocks = list(line_blocks([path]))
        decoder.decode(blocks[0].rows)
        seconds = {}
        for name, work in {
            "plain Python loop": lambda: loop(path),
            "Tocsin, decode only": lambda: [decoder.decode(block.rows) for block in line_blocks([path])],
            "polars read_ndjson": lambda: [pl.read_ndjson(io.BytesIO(bytes(b.rows.data[: b.rows.stop[-1]]))) for b in blocks],
            "Tocsin, file to flags": lambda: run_here(Job(application, 16, lambda: "")),
        }.items():
            runs = []
            for _ in range(3 if "Tocsin" in name else 1):
                started = time.perf_counter()
                found = work()
                runs.append(time.perf_counter() - started)
                if name == "plain Python loop":
                    hits = found
            seconds[name] = min(runs)
        flags = [orjson.loads(line) for line in (Path(folder) / "flags.jsonl").read_bytes().splitlines()]
        assert {(flag["data"]["pattern"]["name"], flag["causationid"]) for flag in flags} == hits, "the flags are not the loop's"
    rows = [(f"W1 {name}", f"{n / taken / 1e6:.2f} M events/s") for name, taken in seconds.items()]
    rows.append(("W1 Tocsin / loop", f"{seconds['plain Python loop'] / seconds['Tocsin, file to flags']:.2f} x"))
    rows.append(("W1 decode / polars", f"{seconds['polars read_ndjson'] / seconds['Tocsin, decode only']:.2f} x"))
    rows.append(("W1 flags", f"{len(flags)}"))
    return rows
