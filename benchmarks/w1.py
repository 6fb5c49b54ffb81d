"""W1: two windows by card, three Boolean patterns, from file to written flags, beside what others do with the same file."""

from __future__ import annotations

import io
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import bytewax.operators as op
import duckdb
import orjson
import polars as pl
from bytewax.connectors.files import FileSource
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, run_main

from benchmarks.data import events
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
Hits = set[tuple[str, str]]


class Window:
    """One card's events of the last ten minutes, in plain Python."""

    def __init__(self) -> None:
        self.events: deque[tuple[int, float]] = deque()
        self.total = 0.0

    def hits(self, event: dict[str, Any]) -> Iterable[tuple[str, str]]:
        """The patterns that an event completes."""
        queue, now, amount = self.events, event["ts"], event["amount"]
        while queue and queue[0][0] <= now - WINDOW:
            self.total -= queue.popleft()[1]
        queue.append((now, amount))
        self.total += amount
        count = len(queue)
        if count > 3 and self.total > 500:
            yield "many", event["tx_id"]
        if amount > 400 and event["country"] == 7:
            yield "far", event["tx_id"]
        if amount > 4 * (self.total / count) and count > 2:
            yield "jump", event["tx_id"]


def loop(path: Path) -> Hits:
    """The same in plain Python: orjson, deques, nothing called per event."""
    state: dict[str, list[Any]] = defaultdict(lambda: [deque(), 0.0])
    hits: Hits = set()
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


def per_event(path: Path) -> Hits:
    """The same as one writes it with Bytewax: an item an event, a state a card."""

    def step(window: Window | None, event: dict[str, Any]) -> tuple[Window, Iterable[tuple[str, str]]]:
        window = window or Window()
        return window, list(window.hits(event))

    found: list[tuple[str, tuple[str, str]]] = []
    flow = Dataflow("per_event")
    lines = op.input("lines", flow, FileSource(path))
    keyed = op.key_on("card", op.map("parse", lines, orjson.loads), lambda event: event["card"])
    op.output("hits", op.stateful_flat_map("window", keyed, step), TestingSink(found))
    run_main(flow)
    return {hit for _, hit in found}


def in_duckdb(path: Path) -> Hits:
    """The same by DuckDB over the whole file, one thread."""
    duckdb.sql("set threads = 1")
    columns = "{tx_id: 'varchar', card: 'varchar', amount: 'double', country: 'bigint', device: 'varchar', ts: 'bigint'}"
    found = duckdb.sql(f"""
        with w as (
            select *, count(*) over recent as c, sum(amount) over recent as s
            from read_json('{path}', columns = {columns}, format = 'newline_delimited')
            window recent as (partition by card order by ts range between {WINDOW - 1} preceding and current row)
        )
        select 'many', tx_id from w where c > 3 and s > 500
        union all select 'far', tx_id from w where amount > 400 and country = 7
        union all select 'jump', tx_id from w where amount > 4 * (s / c) and c > 2
    """).fetchall()
    return {(name, tx) for name, tx in found}


def seconds_of(work: Callable[[], Any], runs: int) -> tuple[float, Any]:
    """The least processor time of some runs, and what the last one gave."""
    least, found = float("inf"), None
    for _ in range(runs):
        started = time.process_time()
        found = work()
        least = min(least, time.process_time() - started)
    return least, found


def main(n: int = 1_000_000) -> list[tuple[str, str]]:
    """Measure, check that all find the same, and give (what, figure) rows; seconds are of processor time."""
    with tempfile.TemporaryDirectory() as folder:
        path, flags = Path(folder) / "w1.jsonl", Path(folder) / "flags.jsonl"
        events(path, n)
        (Path(folder) / "app.yaml").write_text(APPLICATION)
        application = load(Path(folder) / "app.yaml")
        fields = application.streams["tx"].fields
        decoder = JsonDecoder(fields, frozenset(fields), frozenset())
        blocks = list(line_blocks([path]))
        decoder.decode(blocks[0].rows)
        works: dict[str, tuple[Callable[[], Any], int]] = {
            "plain Python loop": (lambda: loop(path), 2),
            "Bytewax, an item an event": (lambda: per_event(path), 1),
            "DuckDB, whole file, one thread": (lambda: in_duckdb(path), 2),
            "polars read_ndjson": (lambda: [pl.read_ndjson(io.BytesIO(bytes(b.rows.data[: b.rows.stop[-1]]))) for b in blocks], 2),
            "Tocsin, decode only": (lambda: [decoder.decode(block.rows).n for block in line_blocks([path])], 3),
            "Tocsin, file to flags": (lambda: run_here(Job(application, 16, lambda: "")), 4),
        }
        taken, found = {}, {}
        for name, (work, runs) in works.items():
            taken[name], found[name] = seconds_of(work, runs)
        written = [orjson.loads(line) for line in flags.read_bytes().splitlines()]
        hits = {(flag["data"]["pattern"]["name"], flag["causationid"]) for flag in written}
        for name in ("plain Python loop", "Bytewax, an item an event", "DuckDB, whole file, one thread"):
            assert found[name] == hits, f"the flags are not those of: {name}"
    ours = taken["Tocsin, file to flags"]
    rows = [(f"W1 {name}", f"{n / seconds / 1e6:.2f} M events/s") for name, seconds in taken.items()]
    rows.append(("W1 Tocsin / loop", f"{taken['plain Python loop'] / ours:.2f} x"))
    rows.append(("W1 Tocsin / DuckDB", f"{taken['DuckDB, whole file, one thread'] / ours:.2f} x"))
    rows.append(("W1 decode / polars", f"{taken['polars read_ndjson'] / taken['Tocsin, decode only']:.2f} x"))
    rows.append(("W1 flags, the same from all four", f"{len(hits)}"))
    return rows
