"""The bank's customers and cards as change records: a snapshot before the first day, then what changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from dataflows.generate.bank import COUNTRIES, DAY_MS, Bank
from dataflows.generate.envelopes import Envelopes, Row, precise
from dataflows.generate.habits import Phones
from models.events.debezium import change_id, read_change

SEGMENTS = ("basic", "standard", "premium")
Labelled = tuple[str, str, int, int, int]
"""Stream, id, milliseconds, kind and episode of one labelled event."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Change records of both tables, and which of them belong to episodes."""

    customers: Envelopes
    cards: Envelopes
    labelled: list[Labelled]


def make_changes(bank: Bank, phones: Phones, contacts: list[tuple[int, ...]], random: np.random.Generator) -> Changes:
    """Both tables; ``contacts`` are (milliseconds, customer, kind, episode) of contact details that fraudsters changed."""
    customers, labelled = _customers(bank, phones, contacts, random)
    return Changes(customers, _cards(bank, random), labelled)


def customer_id(number: int) -> str:
    """A customer's id."""
    return f"k{number:06d}"


def card_id(number: int) -> str:
    """A card's id."""
    return f"c{number:06d}"


def _customers(
    bank: Bank, phones: Phones, contacts: list[tuple[int, ...]], random: np.random.Generator
) -> tuple[Envelopes, list[Labelled]]:
    size = bank.size
    table = Envelopes("customers", "customer_id", size.start - DAY_MS)
    segment = random.choice(3, size.customers, p=[0.3, 0.6, 0.1]).tolist()
    opened = (size.start - random.integers(DAY_MS, 4000 * DAY_MS, size.customers)).tolist()
    table.snapshot([_customer(bank, i, segment[i], opened[i]) for i in range(size.customers)])
    labelled: list[Labelled] = []
    for ts, customer, kind, episode in sorted([*contacts, *_moves(bank, phones, random)]):
        email = f"m{ts // 1000 % 100_000}@example.net"
        record = table.update(ts, customer_id(customer), email=email, updated_at=ts * 1000)
        if episode >= 0:
            change = read_change(record, lambda text: text)
            labelled.append(("customers", change_id(change, ("customer_id",)) or "", ts, kind, episode))
    return table, labelled


def _moves(bank: Bank, phones: Phones, random: np.random.Generator) -> list[tuple[int, ...]]:
    """Contact details that customers change themselves: one in a hundred in a month, and some of those with a new phone."""
    size = bank.size
    n = random.poisson(0.01 * size.customers * size.days / 30)
    ts = size.start + random.integers(0, size.days * DAY_MS, n)
    changed = zip(ts.tolist(), random.integers(size.customers, size=n).tolist(), strict=True)
    with_phone = np.flatnonzero((phones.changed < size.end) & (random.random(size.customers) < 0.15))
    together = [(int(phones.changed[i]) + 600_000, int(i)) for i in with_phone if phones.changed[i] + 600_000 < size.end]
    return [(ts, customer, -1, -1) for ts, customer in [*changed, *together]]


def _cards(bank: Bank, random: np.random.Generator) -> Envelopes:
    size = bank.size
    table = Envelopes("cards", "card_id", size.start - DAY_MS)
    n = len(bank.owner)
    limit = random.choice([50_000, 100_000, 250_000, 500_000], n).tolist()
    idle_days = np.where(bank.dormant, random.integers(120, 700, n), random.integers(1, 10, n)).tolist()
    table.snapshot([_card(bank, i, limit[i], idle_days[i]) for i in range(n)])
    changes = [(int(ts), "limit") for ts in size.start + random.integers(0, size.days * DAY_MS, max(n * size.days // 6000, 1))]
    changes += [(int(ts), "new") for ts in size.start + random.integers(0, size.days * DAY_MS, max(n * size.days // 9000, 1))]
    for number, (ts, what) in enumerate(sorted(changes)):
        chosen = int(random.integers(n))
        if what == "new":
            table.insert(ts, {**_card(bank, chosen, 100_000, 1), "card_id": card_id(n + number), "last_used_at": None})
        elif card_id(chosen) in table.rows and bank.dormant[chosen] and random.random() < 0.2:
            table.delete(ts, card_id(chosen))
        elif card_id(chosen) in table.rows:
            table.update(ts, card_id(chosen), daily_limit=precise(int(random.integers(1, 60)) * 10_000))
    return table


def _customer(bank: Bank, number: int, segment: int, opened: int) -> Row:
    return {
        "customer_id": customer_id(number), "segment": SEGMENTS[segment], "home_country": COUNTRIES[int(bank.home[number])],
        "email": f"{customer_id(number)}@example.com", "phone": f"+49150{number:07d}",
        "opened_at": _zoned(opened), "updated_at": None,
    }  # fmt: skip


def _card(bank: Bank, number: int, limit: int, idle_days: int) -> Row:
    start = bank.size.start
    return {
        "card_id": card_id(number), "customer_id": customer_id(int(bank.owner[number])), "active": True,
        "daily_limit": precise(limit), "issued_on": start // DAY_MS - 400 - number % 900,
        "last_used_at": (start - idle_days * DAY_MS + number % 86_400 * 1000) * 1000,
    }  # fmt: skip


def _zoned(ts: int) -> str:
    return datetime.fromtimestamp(ts / 1000, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
