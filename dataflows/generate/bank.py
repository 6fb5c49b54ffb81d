"""A bank's payments after the Fraud Detection Handbook's simulator, with countries, devices and planted episodes.

Customers have a place, a mean amount from U(5, 100) with half of it as deviation, and a rate from U(0, 4) payments a day;
terminals lie on the same 100 x 100 plane, and a customer pays at those nearer than 5. Times of day are N(12h, 20000s), amounts
N(mean, deviation), those below zero drawn anew from U(0, 2 mean). Episodes come on top, each with its label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

DAY_MS = 86_400_000
COUNTRIES = np.array(["DE", "FR", "NL", "AT", "PL", "IT", "ES", "BE"])
FAR = np.array(["BR", "US", "TH", "NG", "AU"])


@dataclass(frozen=True, slots=True)
class Size:
    """How large a bank, and how long: days from ``start`` (milliseconds since 1970)."""

    customers: int = 5000
    terminals: int = 10000
    days: int = 183
    start: int = 1_522_540_800_000


@dataclass(slots=True)
class Payments:
    """Columns of payments, one entry a payment; ts in milliseconds, amount in cents; ``kind`` names the planted episode."""

    ts: NDArray[np.int64]
    customer: NDArray[np.int64]
    terminal: NDArray[np.int64]
    cents: NDArray[np.int64]
    country: NDArray[Any]
    device: NDArray[np.int64]
    kind: NDArray[Any]
    episode: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ts)


@dataclass(frozen=True, slots=True)
class Bank:
    """Customers and their habits."""

    home: NDArray[Any]
    near: list[NDArray[np.int64]]
    mean: NDArray[np.float64]
    rate: NDArray[np.float64]


def make_bank(size: Size, random: np.random.Generator) -> Bank:
    """Customers, and for each the terminals within reach (at least the nearest one)."""
    place = random.uniform(0, 100, (size.customers, 2))
    terminal = random.uniform(0, 100, (size.terminals, 2))
    near = []
    for x, y in place:
        distance = (terminal[:, 0] - x) ** 2 + (terminal[:, 1] - y) ** 2
        reach = np.flatnonzero(distance < 25)
        near.append(reach if len(reach) else np.array([distance.argmin()]))
    home = random.choice(COUNTRIES, size.customers, p=[0.5, 0.1, 0.1, 0.1, 0.08, 0.06, 0.04, 0.02])
    return Bank(home, near, random.uniform(5, 100, size.customers), random.uniform(0, 4, size.customers))


def ordinary(bank: Bank, size: Size, random: np.random.Generator) -> Payments:
    """Payments without any episode."""
    counts = random.poisson(bank.rate[:, None], (size.customers, size.days))
    customer = np.repeat(np.arange(size.customers), counts.sum(1))
    day = np.concatenate([np.repeat(np.arange(size.days), row) for row in counts])
    second = random.normal(43_200, 20_000, len(day))
    kept = (second > 0) & (second < 86_400)
    customer, day, second = customer[kept], day[kept], second[kept]
    mean = bank.mean[customer]
    amount = random.normal(mean, mean / 2)
    amount = np.where(amount < 0, random.uniform(0, 2 * mean), amount)
    reach = np.array([len(terminals) for terminals in bank.near])
    chosen = (random.random(len(customer)) * reach[customer]).astype(np.int64)
    starts = np.cumsum([0, *reach[:-1]])
    terminal = np.concatenate(bank.near)[starts[customer] + chosen]
    country = np.where(random.random(len(day)) < 0.03, random.choice(COUNTRIES, len(day)), bank.home[customer])
    ts = size.start + day * DAY_MS + (second * 1000).astype(np.int64)
    cents = np.maximum(np.round(amount * 100).astype(np.int64), 1)
    n = len(ts)
    return Payments(ts, customer, terminal, cents, country, customer * 10, np.full(n, "", object), np.full(n, -1))


def joined(parts: list[Payments]) -> Payments:
    """All payments by time, equal times in the order of the parts."""
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in Payments.__slots__}
    order = np.argsort(columns["ts"], kind="stable")
    return Payments(**{name: column[order] for name, column in columns.items()})
