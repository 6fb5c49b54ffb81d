"""What the published recipe leaves out: spare cards, paying online, devices, journeys; amounts and times stay as they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataflows.generate.bank import CITIES, DAY_MS, Bank, city_terminal
from dataflows.generate.payments import NONE, Payments, plain

ONLINE = 0.15
DECLINED = 0.02
HOUR_MS = 3_600_000
FLIGHT = 16 * HOUR_MS
"""Around a journey nobody pays at a terminal for so long: they may be on their way."""
AGENCIES = 5
"""Devices of travel agents, who pay with many people's cards."""


@dataclass(frozen=True, slots=True)
class Phones:
    """When each customer changed their phone (milliseconds; past the end: never). A device is customer * 2, + 1 for the new one."""

    changed: NDArray[np.int64]

    def device(self, customer: NDArray[np.int64], ts: NDArray[np.int64]) -> NDArray[np.int64]:
        """The device in use."""
        return customer * 2 + (ts >= self.changed[customer])


def make_phones(bank: Bank, random: np.random.Generator) -> Phones:
    """Three customers of a hundred change their phone in a month."""
    size = bank.size
    when = size.start + (random.exponential(30 / 0.03, size.customers) * DAY_MS).astype(np.int64)
    return Phones(np.minimum(when, size.end + DAY_MS))


def live(payments: Payments, bank: Bank, phones: Phones, random: np.random.Generator) -> None:
    """Give ordinary payments cards, channels, devices and journeys, in place. Frauds of the recipe keep their terminals."""
    size, n = bank.size, len(payments)
    spare = np.full(size.customers, NONE)
    spare[bank.owner[size.customers :]] = np.arange(size.customers, len(bank.owner))
    spare = np.where((spare != NONE) & ~bank.dormant[spare], spare, NONE)
    other = (random.random(n) < 0.3) & (spare[payments.customer] != NONE)
    payments.card[other] = spare[payments.customer[other]]
    payments.online[:] = random.random(n) < ONLINE
    _travel(payments, bank, random)
    online = payments.online
    payments.device[online] = phones.device(payments.customer[online], payments.ts[online])
    agency = online & (random.random(n) < 0.005)
    payments.device[agency] = size.customers * 2 + random.integers(AGENCIES, size=int(agency.sum()))
    payments.approved[:] = (random.random(n) >= DECLINED) | (payments.kind != NONE)


def wakings(bank: Bank, random: np.random.Generator) -> Payments:
    """Dormant cards that their owners take up again: now and then, one or two ordinary payments; thieves use the other half."""
    size = bank.size
    cards = np.flatnonzero(bank.dormant)[::2]
    cards = cards[random.random(len(cards)) < min(0.1 * size.days / 30, 0.5)]
    cards = np.repeat(cards, random.integers(1, 3, len(cards)))
    customer = bank.owner[cards]
    ts = size.start + (random.random(len(cards)) * size.days * DAY_MS).astype(np.int64) // 1000 * 1000
    terminal = bank.near[bank.reach_start[customer] + random.integers(bank.reach[customer])]
    amount = random.uniform(0.2, 1.8, len(cards)) * bank.mean[customer]
    found = plain(ts, customer, terminal, np.round(amount * 100).astype(np.int64))
    found.card = cards
    return found


def _travel(payments: Payments, bank: Bank, random: np.random.Generator) -> None:
    """One customer in twenty-five makes a journey of 3 to 10 days in a month, and pays at a city's terminals meanwhile."""
    size = bank.size
    journeys = random.poisson(size.customers * size.days / 30 / 25)
    begin = np.full(size.customers, size.end + FLIGHT)
    end = begin.copy()
    city = random.integers(len(CITIES), size=size.customers)
    travellers = random.integers(size.customers, size=journeys)
    begin[travellers] = size.start + random.integers(0, max(size.days * DAY_MS, 1), journeys)
    end[travellers] = begin[travellers] + random.integers(3 * DAY_MS, 10 * DAY_MS, journeys)
    start, stop, ts = begin[payments.customer], end[payments.customer], payments.ts
    ordinary = payments.kind == NONE
    away = ordinary & (ts >= start) & (ts < stop)
    under_way = (ts >= start - FLIGHT) & (ts < stop + FLIGHT) & ~away
    payments.terminal[away] = city_terminal(size, city[payments.customer[away]], random)
    payments.online[under_way] = True
