"""Transfers between accounts: salaries, rents, savings, and what friends owe each other."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from dataflows.generate.bank import DAY_MS, Bank
from dataflows.generate.payments import NONE

EMPLOYERS, LANDLORDS = 200, 300
HOUR_MS = 3_600_000
MONTH = 30


@dataclass(slots=True)
class Transfers:
    """One entry a transfer; ts in milliseconds, amount in cents. Accounts below the number of customers are theirs."""

    ts: NDArray[np.int64]
    sender: NDArray[np.int64]
    receiver: NDArray[np.int64]
    cents: NDArray[np.int64]
    kind: NDArray[np.int64]
    episode: NDArray[np.int64]


def ordinary_transfers(bank: Bank, random: np.random.Generator) -> Transfers:
    """Transfers without any fraud; salaries come on the 25th to 28th day of a month (30 days), rents on its first three."""
    size = bank.size
    customers = np.arange(size.customers)
    outside = size.customers
    parts = [_friends(bank, random)]
    salary = random.lognormal(np.log(240_000), 0.3, size.customers).astype(np.int64)
    for month in range(0, size.days, MONTH):
        paid = _at(size.start, month + 24 + random.integers(4, size=size.customers), 6.0, 1.0, random)
        parts.append(_transfers(paid, outside + customers % EMPLOYERS, customers, salary))
        rent = _at(size.start, month + random.integers(3, size=size.customers), 8.0, 2.0, random)
        parts.append(_transfers(rent, customers, outside + EMPLOYERS + customers % LANDLORDS, salary * 35 // 100))
        saver = np.flatnonzero(customers % 5 == 0)
        later = paid[saver] + random.integers(HOUR_MS, 3 * DAY_MS, len(saver))
        share = random.integers(10, 50, len(saver))
        parts.append(_transfers(later, saver, outside + 10_000 + saver, salary[saver] * share // 100))
        joint = np.flatnonzero(customers % 1000 == 7)  # their whole salary goes on to a joint account at once
        forwarded = paid[joint] + random.integers(HOUR_MS // 2, 3 * HOUR_MS, len(joint))
        parts.append(_transfers(forwarded, joint, outside + 20_000 + joint, salary[joint] * 9 // 10))
    found = joined_transfers(parts)
    inside = (found.ts >= size.start) & (found.ts < size.end)
    return Transfers(*(getattr(found, field.name)[inside] for field in fields(Transfers)))


def joined_transfers(parts: list[Transfers]) -> Transfers:
    """All transfers by time, equal times in the order of the parts."""
    columns = {field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Transfers)}
    order = np.argsort(columns["ts"], kind="stable")
    return Transfers(**{name: column[order] for name, column in columns.items()})


def _friends(bank: Bank, random: np.random.Generator) -> Transfers:
    size = bank.size
    n = random.poisson(0.08 * size.customers * size.days)
    sender = random.integers(size.customers, size=n)
    receiver = (sender + 1 + random.integers(max(size.customers - 1, 1), size=n)) % size.customers
    ts = _at(size.start, random.integers(size.days, size=n), 14.0, 4.0, random)
    return _transfers(ts, sender, receiver, random.lognormal(np.log(6_000), 0.9, n).astype(np.int64) + 100)


def _at(start: int, day: NDArray[np.int64], hour: float, spread: float, random: np.random.Generator) -> NDArray[np.int64]:
    time = np.clip(random.normal(hour, spread, len(day)), 0.0, 23.99) * HOUR_MS
    return start + day * DAY_MS + time.astype(np.int64)


def _transfers(
    ts: NDArray[np.int64], sender: NDArray[np.int64], receiver: NDArray[np.int64], cents: NDArray[np.int64]
) -> Transfers:
    none = np.full(len(ts), NONE)
    return Transfers(ts, sender, receiver, cents, none, none.copy())
