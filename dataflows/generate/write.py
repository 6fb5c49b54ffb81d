"""Writes a generated bank: payments as JSON lines, customers as Debezium changes, labels as CSV."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from dataflows.generate.bank import DAY_MS, Bank, Payments, Size, joined, make_bank, ordinary
from dataflows.generate.episodes import KINDS, compromised, planted


@dataclass(frozen=True, slots=True)
class Summary:
    """What was written."""

    payments: int
    changes: int
    labelled: int
    episodes: int


def generate_bank(out: Path, size: Size, *, seed: int = 0, episodes: int = 20) -> Summary:
    """Write ``transactions.jsonl``, ``customers.cdc.jsonl`` and ``labels.csv`` into ``out``; equal for equal arguments."""
    random = np.random.default_rng(seed)
    bank = make_bank(size, random)
    usual = ordinary(bank, size, random)
    parts, changes = planted(bank, size, random, episodes)
    payments = joined([usual, *parts])
    compromised(payments, size, random, episodes, len(KINDS) * episodes)
    out.mkdir(parents=True, exist_ok=True)
    _write_payments(out, payments)
    _write_customers(out, bank, size, sorted(changes, key=lambda change: change[1]))
    labelled = int((payments.kind != "").sum())
    return Summary(len(payments), size.customers + len(changes), labelled, len(set(payments.episode.tolist()) - {-1}))


def _write_payments(out: Path, payments: Payments) -> None:
    number = pl.int_range(len(payments), eager=True)
    frame = pl.DataFrame({
        "tx_id": pl.Series("t" + number.cast(pl.String).str.zfill(8)),
        "ts": payments.ts,
        "card_id": pl.Series("c" + pl.Series(payments.customer).cast(pl.String).str.zfill(6)),
        "customer_id": pl.Series("k" + pl.Series(payments.customer).cast(pl.String).str.zfill(6)),
        "terminal_id": pl.Series("m" + pl.Series(payments.terminal).cast(pl.String).str.zfill(6)),
        "amount": payments.cents / 100,
        "country": payments.country.astype(str),
        "device": pl.Series("d" + pl.Series(payments.device).cast(pl.String)),
    })  # fmt: skip
    frame.write_ndjson(out / "transactions.jsonl")
    labels = pl.DataFrame({
        "tx_id": frame["tx_id"], "kind": payments.kind.astype(str), "episode": payments.episode,
    }).filter(pl.col("kind") != "")  # fmt: skip
    labels.write_csv(out / "labels.csv")


def _write_customers(out: Path, bank: Bank, size: Size, changes: list[tuple[int, int]]) -> None:
    with (out / "customers.cdc.jsonl").open("w", encoding="utf-8") as file:
        for customer, home in enumerate(bank.home.tolist()):
            row = {
                "customer_id": f"k{customer:06d}",
                "home_country": home,
                "email": f"k{customer}@example.com",
                "email_changed_at": None,
            }
            file.write(_change("r", row, size.start - DAY_MS, customer + 1) + "\n")
        for number, (customer, ts) in enumerate(changes):
            row = {
                "customer_id": f"k{customer:06d}", "home_country": bank.home[customer], "email": f"new{number}@example.net",
                "email_changed_at": ts * 1000,
            }  # fmt: skip
            file.write(_change("u", row, ts, size.customers + number + 1) + "\n")


def _change(op: str, row: dict[str, object], ts: int, lsn: int) -> str:
    source = {
        "version": "3.7.0.Final", "connector": "postgresql", "name": "bank", "ts_ms": ts, "ts_us": ts * 1000,
        "snapshot": str(op == "r").lower(),
        "db": "bank", "schema": "public", "table": "customers", "txId": lsn, "lsn": lsn,
    }  # fmt: skip
    return json.dumps({"before": None, "after": row, "source": source, "op": op, "ts_ms": ts}, separators=(",", ":"), default=str)
