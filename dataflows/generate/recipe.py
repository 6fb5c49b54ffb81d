"""Payments and frauds after the published recipe of the Fraud Detection Handbook's simulator.

Each customer pays Poisson(rate) times a day, at a second from N(43200, 20000) that must lie inside the day, an amount from
N(mean, mean / 2), drawn anew from U(0, 2 mean) if negative, at one of the terminals within reach. Then three scenarios, of which
a later one takes a payment over from an earlier: amounts above 220; each day two terminals for 28 days; each day three customers
for 14 days, a third of whose amounts is multiplied by 5. Smaller banks have proportionally fewer of the last two.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dataflows.generate.bank import DAY_MS, Bank
from dataflows.generate.payments import KINDS, Payments, plain

LARGE_CENTS = 22_000
TERMINAL_DAYS, CUSTOMER_DAYS = 28, 14
LARGE, TERMINAL, RAISED = (KINDS.index(kind) for kind in ("large_amount", "compromised_terminal", "raised_amounts"))


def ordinary(bank: Bank, random: np.random.Generator) -> Payments:
    """Payments without any fraud, by time."""
    size = bank.size
    counts = random.poisson(np.repeat(bank.rate, size.days))
    customer_day = np.repeat(np.arange(len(counts)), counts)
    second = random.normal(43_200, 20_000, len(customer_day)).astype(np.int64)
    inside = (second > 0) & (second < 86_400)
    customer, day = np.divmod(customer_day[inside], size.days)
    ts = size.start + day * DAY_MS + second[inside] * 1000
    order = np.argsort(ts, kind="stable")
    customer, ts = customer[order], ts[order]
    terminal = bank.near[bank.reach_start[customer] + random.integers(bank.reach[customer])]
    return plain(ts, customer, terminal, _cents(bank.mean[customer], random))


def defraud(payments: Payments, bank: Bank, random: np.random.Generator) -> int:
    """Plant the three scenarios in payments sorted by time; the number of episodes so far."""
    large = np.flatnonzero(payments.cents > LARGE_CENTS)
    payments.kind[large] = LARGE
    payments.episode[large] = np.arange(len(large))
    number = len(large)
    for rows, _ in _spells(payments, payments.terminal, bank, 2 * bank.size.terminals / 10_000, TERMINAL_DAYS, random):
        payments.kind[rows], payments.episode[rows] = TERMINAL, number
        number += 1
    for rows, _ in _spells(payments, payments.customer, bank, 3 * bank.size.customers / 5_000, CUSTOMER_DAYS, random):
        taken = random.choice(rows, len(rows) // 3, replace=False)
        payments.cents[taken] *= 5
        payments.kind[taken], payments.episode[taken] = RAISED, number
        number += 1
    return number


def _cents(mean: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.int64]:
    amount = random.normal(mean, mean / 2)
    amount = np.where(amount < 0, random.uniform(0, 2 * mean), amount)
    return np.round(amount * 100).astype(np.int64)


def _spells(
    payments: Payments, entity: NDArray[np.int64], bank: Bank, a_day: float, days: int, random: np.random.Generator
) -> Iterator[tuple[NDArray[np.int64], int]]:
    """The payments of entities drawn each day but the last, from that day on; a fraction of one is drawn that often."""
    size = bank.size
    n = size.terminals if entity is payments.terminal else size.customers
    by_entity = np.argsort(entity, kind="stable")
    first = np.searchsorted(entity[by_entity], np.arange(n + 1))
    for day in range(size.days - 1):
        count = int(a_day) + int(random.random() < a_day % 1)
        for chosen in random.choice(n, count, replace=False):
            rows = by_entity[first[chosen] : first[chosen + 1]]
            begin = size.start + day * DAY_MS
            low, high = np.searchsorted(payments.ts[rows], (begin, begin + days * DAY_MS))
            yield rows[low:high], day
