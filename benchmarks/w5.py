"""W5: payments as of a table of changes (Debezium JSON), one pattern, from files to written flags, beside a Python loop."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from dataflows.connectors.files import line_blocks
from dataflows.decoding.debezium import DebeziumDecoder
from dataflows.decoding.strict_debezium import ChangeRules
from dataflows.running import Job, run_here
from models.application.load import load

START = 1_700_000_000_000
APPLICATION = """tocsin: 1
name: w5
streams:
  payments:
    from: {file: payments.jsonl}
    time: ts
    id: tx_id
    fields: {tx_id: string, customer: string, amount: float, country: string, ts: "timestamp[ms]"}
    join: {owner: {table: customers, on: customer}}
tables:
  customers:
    from: {file: customers.cdc.jsonl}
    format: debezium
    key: customer_id
    fields: {customer_id: string, segment: string, home_country: string, daily_limit: float}
patterns:
  over_limit_abroad:
    on: payments
    by: customer
    when: amount > owner.daily_limit and country is distinct from owner.home_country and owner.segment = 'retail'
flags:
  to: {file: flags.jsonl}
"""
COUNTRIES = ("DE", "FR", "IT", "ES", "PL", "NL", "BE", "AT")


def payments(path: Path, n: int, customers: int) -> None:
    """Write n payments of about 100 bytes, ten milliseconds apart."""
    random = np.random.default_rng(1)
    who, cents = random.integers(0, customers, n), np.minimum(random.exponential(6_000, n).astype(np.int64), 99_999)
    country = random.integers(0, len(COUNTRIES), n)
    with path.open("w", encoding="ascii") as file:
        for i, (c, a, k) in enumerate(zip(who.tolist(), cents.tolist(), country.tolist(), strict=True)):
            file.write(
                f'{{"tx_id":"t{i:07d}","customer":"c{c:06d}","amount":{a // 100}.{a % 100:02d},"country":"{COUNTRIES[k]}",'
                f'"ts":{START + i * 10}}}\n'
            )


def changes(path: Path, snapshot: int, n: int, span: int) -> None:
    """Write a snapshot of all customers, then n changes over ``span`` milliseconds; one in 50 of these is a deletion."""
    random = np.random.default_rng(2)
    who = np.concatenate([np.arange(snapshot), random.integers(0, snapshot, n)]).tolist()
    at = np.concatenate([np.full(snapshot, START - 60_000), START + np.sort(random.integers(0, span, n))]).tolist()
    home, limit, kind = (random.integers(0, top, len(who)).tolist() for top in (len(COUNTRIES), 400, 4))
    gone = (random.random(len(who)) < 0.02).tolist()
    with path.open("w", encoding="ascii") as file:
        for i, customer in enumerate(who):
            values = (COUNTRIES[home[i]], "retail" if kind[i] else "business", limit[i] + 300.5)
            op = "r" if i < snapshot else "d" if gone[i] else "u"
            file.write(envelope(i, at[i], op, f"c{customer:06d}", values) + "\n")


def envelope(i: int, at: int, op: str, customer: str, values: tuple[str, str, float]) -> str:
    """A change as Debezium's PostgreSQL connector writes it without schemas; of a deletion only the key is real."""
    home, segment, limit = ("", "", 0.0) if op == "d" else values
    row = f'{{"customer_id":"{customer}","segment":"{segment}","home_country":"{home}","daily_limit":{limit}}}'
    images = f'"before":{row},"after":null' if op == "d" else f'"before":null,"after":{row}'
    snapshot = "true" if op == "r" else "false"
    source = (
        f'{{"version":"3.7.0.Final","connector":"postgresql","name":"bank","ts_ms":{at},"snapshot":"{snapshot}","db":"bank",'
        f'"sequence":"[\\"{26_700_000 + i}\\",\\"{26_740_000 + i}\\"]","ts_us":{at}000,"ts_ns":{at}000000,"schema":"bank",'
        f'"table":"customers","txId":{700 + i},"lsn":{26_740_000 + i},"xmin":null}}'
    )
    seen = at + 120
    return f'{{{images},"source":{source},"transaction":null,"op":"{op}","ts_ms":{seen},"ts_us":{seen}001,"ts_ns":{seen}001002}}'


def loop(payments_at: Path, changes_at: Path) -> set[str]:
    """The same in plain Python: orjson, a dict of rows, both files in step by time."""
    rows: dict[str, dict[str, Any]] = {}
    hits: set[str] = set()
    with payments_at.open("rb") as events, changes_at.open("rb") as records:
        change = orjson.loads(next(records))
        for line in events:
            event = orjson.loads(line)
            now = event["ts"]
            while change is not None and change["source"]["ts_ms"] <= now:
                if change["op"] == "d":
                    rows.pop(change["before"]["customer_id"], None)
                else:
                    rows[change["after"]["customer_id"]] = change["after"]
                following = next(records, None)
                change = None if following is None else orjson.loads(following)
            row = rows.get(event["customer"])
            if row is not None and event["amount"] > row["daily_limit"] and row["segment"] == "retail":
                if event["country"] != row["home_country"]:
                    hits.add(event["tx_id"])
    return hits


def main(n: int = 1_000_000, snapshot: int = 200_000, changed: int = 300_000) -> list[tuple[str, str]]:
    """Measure in seconds of one core, check that the flags are the loop's, and give (what, figure) rows."""
    with tempfile.TemporaryDirectory() as folder:
        events, records = Path(folder) / "payments.jsonl", Path(folder) / "customers.cdc.jsonl"
        payments(events, n, snapshot)
        changes(records, snapshot, changed, n * 10)
        (Path(folder) / "app.yaml").write_text(APPLICATION)
        application = load(Path(folder) / "app.yaml")
        fields = application.tables["customers"].fields
        decoder = DebeziumDecoder(fields, frozenset(fields), frozenset(), ChangeRules(("customer_id",)))
        decoder.decode(next(line_blocks([records])).rows)
        loops, runs, decodes = [], [], []
        for _ in range(3):
            started = time.process_time()
            for block in line_blocks([records]):
                decoder.decode(block.rows)
            decodes.append(time.process_time() - started)
            started = time.process_time()
            run_here(Job(application, 16, lambda: ""))
            runs.append(time.process_time() - started)
            if len(loops) < 2:
                started = time.process_time()
                hits = loop(events, records)
                loops.append(time.process_time() - started)
        flags = [orjson.loads(line) for line in (Path(folder) / "flags.jsonl").read_bytes().splitlines()]
        assert {flag["causationid"] for flag in flags} == hits, "the flags are not the loop's"
        size = records.stat().st_size / (snapshot + changed)
    total = n + snapshot + changed
    return [
        ("W5 plain Python loop", f"{total / min(loops) / 1e6:.2f} M rows/s"),
        ("W5 Tocsin, decode changes only", f"{(snapshot + changed) / min(decodes) / 1e6:.2f} M envelopes/s of {size:.0f} bytes"),
        ("W5 Tocsin, files to flags", f"{total / min(runs) / 1e6:.2f} M rows/s"),
        ("W5 Tocsin / loop", f"{min(loops) / min(runs):.2f} x"),
        ("W5 flags", f"{len(flags)}"),
    ]
