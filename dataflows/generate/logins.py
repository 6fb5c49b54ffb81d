"""Logins to the bank's site: from each customer's own device, now and then with a wrong password."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from dataflows.generate.bank import DAY_MS, Bank
from dataflows.generate.habits import Phones
from dataflows.generate.payments import NONE

FAILED = 0.04


@dataclass(slots=True)
class Logins:
    """One entry a login; ts in milliseconds, ``country`` an index of COUNTRIES."""

    ts: NDArray[np.int64]
    customer: NDArray[np.int64]
    device: NDArray[np.int64]
    country: NDArray[np.int64]
    success: NDArray[np.bool_]
    kind: NDArray[np.int64]
    episode: NDArray[np.int64]


def ordinary_logins(bank: Bank, phones: Phones, random: np.random.Generator) -> Logins:
    """Logins of customers themselves: from one in ten days to nearly one a day."""
    size = bank.size
    counts = random.poisson(random.uniform(0.1, 0.9, size.customers) * size.days)
    customer = np.repeat(np.arange(size.customers), counts)
    second = np.clip(random.normal(50_000, 18_000, len(customer)), 1, 86_399).astype(np.int64)
    ts = size.start + random.integers(size.days, size=len(customer)) * DAY_MS + second * 1000
    none = np.full(len(ts), NONE)
    success = random.random(len(ts)) >= FAILED
    return Logins(ts, customer, phones.device(customer, ts), bank.home[customer], success, none, none.copy())


def joined_logins(parts: list[Logins]) -> Logins:
    """All logins by time, equal times in the order of the parts."""
    columns = {field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Logins)}
    order = np.argsort(columns["ts"], kind="stable")
    return Logins(**{name: column[order] for name, column in columns.items()})
