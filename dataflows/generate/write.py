"""Writes a generated bank: streams as JSON lines, tables as Debezium changes, labels as CSV."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dataflows.generate.bank import COUNTRIES, Bank, Size, make_bank
from dataflows.generate.changes import Labelled, make_changes
from dataflows.generate.episodes import OUTSIDE, Story, logins_of, payments_of, plant, transfers_of
from dataflows.generate.habits import AGENCIES, live, make_phones, wakings
from dataflows.generate.logins import Logins, joined_logins, ordinary_logins
from dataflows.generate.payments import KINDS, NO_DEVICE, NONE, Payments, joined
from dataflows.generate.recipe import defraud, ordinary
from dataflows.generate.reports import Reports, make_reports
from dataflows.generate.transfers import Transfers, joined_transfers, ordinary_transfers

FILES = {
    "payments": "payments.jsonl", "logins": "logins.jsonl", "transfers": "transfers.jsonl", "reports": "reports.jsonl",
    "customers": "customers.cdc.jsonl", "cards": "cards.cdc.jsonl",
}  # fmt: skip
"""The file of each stream and table."""


def inputs_of(folder: Path) -> dict[str, str]:
    """For each stream and table of examples/card-fraud its file in a folder that ``generate_bank`` wrote."""
    return {name: str(folder / file) for name, file in {**FILES, "customer_changes": FILES["customers"]}.items()}


@dataclass(frozen=True, slots=True)
class Summary:
    """What was written."""

    payments: int
    logins: int
    transfers: int
    reports: int
    changes: int
    labelled: int
    episodes: int


def generate_bank(out: Path, size: Size, *, seed: int = 0, episodes: int = 20) -> Summary:
    """Write a bank's files and ``labels.csv`` into ``out``: the same bytes for the same arguments.

    Each part of the bank draws from its own sequence of random numbers, so that a change of one leaves the others as they were.
    """
    draws = iter(np.random.default_rng([seed, part]) for part in range(100))
    bank = make_bank(size, next(draws))
    usual = ordinary(bank, next(draws))
    number = defraud(usual, bank, next(draws))
    phones = make_phones(bank, next(draws))
    live(usual, bank, phones, next(draws))
    story = Story(bank, usual, next(draws), 2 * size.customers + AGENCIES, size.customers + OUTSIDE)
    plant(story, number, episodes)
    payments = joined([usual, wakings(bank, next(draws)), payments_of(story)])
    logins = joined_logins([ordinary_logins(bank, phones, next(draws)), logins_of(story)])
    transfers = joined_transfers([ordinary_transfers(bank, next(draws)), transfers_of(story)])
    reports = make_reports(payments, bank, next(draws))
    changes = make_changes(bank, phones, story.contacts, next(draws))
    out.mkdir(parents=True, exist_ok=True)
    labels = [
        _write_payments(out, bank, payments), _write_logins(out, logins), _write_transfers(out, bank, transfers),
        _labelled(changes.labelled),
    ]  # fmt: skip
    _write_reports(out, payments, reports)
    for table in (changes.customers, changes.cards):
        (out / FILES[table.table]).write_bytes(b"\n".join(table.lines) + b"\n")
    known = pl.concat(labels).sort("episode", "ts", "stream", "id")
    known.write_csv(out / "labels.csv")
    lines = len(changes.customers.lines) + len(changes.cards.lines)
    return Summary(
        len(payments), len(logins.ts), len(transfers.ts), len(reports.ts), lines, known.height, known["episode"].n_unique()
    )


def _write_payments(out: Path, bank: Bank, payments: Payments) -> pl.DataFrame:
    present = ~payments.online
    frame = pl.DataFrame({
        "payment_id": _numbered("p", np.arange(len(payments)), 8),
        "ts": payments.ts,
        "card_id": _numbered("c", payments.card),
        "customer_id": _numbered("k", payments.customer),
        "terminal_id": _numbered("m", payments.terminal),
        "amount": payments.cents / 100,
        "channel": pl.Series(payments.online).replace_strict({True: "online", False: "pos"}, return_dtype=pl.String),
        "country": _country(bank.terminal_country[payments.terminal]),
        "lat": _where(present, bank.latitude[payments.terminal]),
        "lon": _where(present, bank.longitude[payments.terminal]),
        "device": _where(payments.device != NO_DEVICE, _numbered("d", payments.device)),
        "approved": payments.approved,
    })  # fmt: skip
    frame.write_ndjson(out / FILES["payments"])
    return _labels("payments", frame["payment_id"], payments)


def _write_logins(out: Path, logins: Logins) -> pl.DataFrame:
    frame = pl.DataFrame({
        "login_id": _numbered("l", np.arange(len(logins.ts)), 8),
        "ts": logins.ts,
        "customer_id": _numbered("k", logins.customer),
        "device": _numbered("d", logins.device),
        "country": _country(logins.country),
        "success": logins.success,
    })  # fmt: skip
    frame.write_ndjson(out / FILES["logins"])
    return _labels("logins", frame["login_id"], logins)


def _write_transfers(out: Path, bank: Bank, transfers: Transfers) -> pl.DataFrame:
    own = transfers.sender < bank.size.customers
    frame = pl.DataFrame({
        "transfer_id": _numbered("t", np.arange(len(transfers.ts)), 8),
        "ts": transfers.ts,
        "from_account": _account(bank, transfers.sender),
        "to_account": _account(bank, transfers.receiver),
        "customer_id": _where(own, _numbered("k", transfers.sender)),
        "amount": transfers.cents / 100,
    })  # fmt: skip
    frame.write_ndjson(out / FILES["transfers"])
    return _labels("transfers", frame["transfer_id"], transfers)


def _write_reports(out: Path, payments: Payments, reports: Reports) -> None:
    rows = reports.payment
    pl.DataFrame({
        "report_id": _numbered("r", np.arange(len(rows)), 8),
        "ts": reports.ts,
        "payment_id": _numbered("p", rows, 8),
        "card_id": _numbered("c", payments.card[rows]),
        "terminal_id": _numbered("m", payments.terminal[rows]),
        "amount": payments.cents[rows] / 100,
    }).write_ndjson(out / FILES["reports"])  # fmt: skip


def _labels(stream: str, ids: pl.Series, events: Payments | Logins | Transfers) -> pl.DataFrame:
    rows = np.flatnonzero(events.episode != NONE)
    names = ids.gather(rows).to_list()
    numbers = zip(*(column[rows].tolist() for column in (events.ts, events.kind, events.episode)), strict=True)
    return _labelled([(stream, name, *row) for name, row in zip(names, numbers, strict=True)])


def _labelled(rows: list[Labelled]) -> pl.DataFrame:
    schema = {"stream": pl.String, "id": pl.String, "ts": pl.Int64, "kind": pl.Int64, "episode": pl.Int64}
    frame = pl.DataFrame(rows, schema, orient="row")
    return frame.with_columns(pl.col("kind").replace_strict(dict(enumerate(KINDS)), return_dtype=pl.String))


def _numbered(prefix: str, numbers: NDArray[np.int64], width: int = 6) -> pl.Series:
    return prefix + pl.Series(numbers).cast(pl.String).str.zfill(width)


def _account(bank: Bank, numbers: NDArray[np.int64]) -> pl.Series:
    """Accounts at this bank begin with a, those of other banks with x."""
    prefix = pl.Series(np.where(numbers < bank.size.customers, "a", "x").astype(str))
    return prefix + _numbered("", numbers)


def _country(codes: NDArray[np.int64]) -> pl.Series:
    return pl.Series(codes).replace_strict(dict(enumerate(COUNTRIES)), return_dtype=pl.String)


def _where(there: NDArray[np.bool_], values: Any) -> pl.Series:
    """The values where they are there, null elsewhere."""
    return pl.select(pl.when(pl.Series(there)).then(pl.Series(values))).to_series()
