"""Planted episodes of fraud, each a short story of payments, logins, transfers and changes, with its kind and number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dataflows.generate.bank import CITIES, CITY_TERMINALS, DAY_MS, Bank
from dataflows.generate.logins import Logins
from dataflows.generate.payments import KINDS, NO_DEVICE, NONE, Payments
from dataflows.generate.transfers import Transfers

MINUTE_MS = 60_000
OUTSIDE = 50_000
"""Accounts of other banks that only fraudsters use begin so far past the customers'."""


@dataclass(slots=True)
class Story:
    """What happens in episodes, and what has happened before in the payments that they may build on."""

    bank: Bank
    usual: Payments
    random: np.random.Generator
    device: int
    account: int
    kind: int = NONE
    episode: int = NONE
    payments: list[tuple[int, ...]] = field(default_factory=list)
    logins: list[tuple[int, ...]] = field(default_factory=list)
    transfers: list[tuple[int, ...]] = field(default_factory=list)
    contacts: list[tuple[int, ...]] = field(default_factory=list)
    woken: list[int] = field(default_factory=list)

    def begin(self) -> int:
        """A moment of the day, not on the first two days nor on the last."""
        size = self.bank.size
        low = min(2, size.days - 1)
        day = int(self.random.integers(low, max(size.days - 1, low + 1)))
        return size.start + day * DAY_MS + int(self.random.integers(6 * 60, 20 * 60)) * MINUTE_MS

    def customer(self) -> int:
        """Somebody."""
        return int(self.random.integers(self.bank.size.customers))

    def between(self, low: int, high: int) -> int:
        """A number in [low, high)."""
        return int(self.random.integers(low, high))

    def pay(
        self, ts: int, card: int, cents: int, *, terminal: int | None = None, device: int = NO_DEVICE, approved: bool = True
    ) -> None:
        """A payment, by default at a terminal within the owner's reach; one from a device is online."""
        customer = int(self.bank.owner[card])
        chosen = int(self.random.choice(self.bank.terminals_of(customer))) if terminal is None else terminal
        self.payments.append((
            ts // 1000 * 1000, customer, card, chosen, cents, device != NO_DEVICE, device, approved, self.kind, self.episode,
        ))  # fmt: skip

    def login(self, ts: int, customer: int, device: int, country: int, *, success: bool) -> None:
        """A login."""
        self.logins.append((ts, customer, device, country, success, self.kind, self.episode))

    def transfer(self, ts: int, sender: int, receiver: int, cents: int) -> None:
        """A transfer between accounts."""
        self.transfers.append((ts, sender, receiver, cents, self.kind, self.episode))

    def new_device(self) -> int:
        """A device never seen before."""
        self.device += 1
        return self.device

    def new_account(self) -> int:
        """An account of another bank never seen before."""
        self.account += 1
        return self.account


def plant(story: Story, first: int, each: int) -> None:
    """Tell ``each`` episodes of every kind, numbered from ``first`` on."""
    for kind, tell in KINDS_OF_STORY.items():
        for _ in range(each):
            story.kind, story.episode = KINDS.index(kind), first
            tell(story)
            first += 1


def payments_of(story: Story) -> Payments:
    """The stories' payments as columns."""
    return Payments(*_columns(story.payments, (int, int, int, int, int, bool, int, bool, int, int)))


def logins_of(story: Story) -> Logins:
    """The stories' logins as columns."""
    return Logins(*_columns(story.logins, (int, int, int, int, bool, int, int)))


def transfers_of(story: Story) -> Transfers:
    """The stories' transfers as columns."""
    return Transfers(*_columns(story.transfers, (int,) * 6))


def card_testing(story: Story) -> None:
    """One device tries many stolen card numbers with small amounts; whichever works is used for a large one."""
    ts, device, shop = story.begin(), story.new_device(), story.between(0, story.bank.size.terminals)
    for _ in range(story.between(6, 13)):
        card, approved = story.customer(), bool(story.random.random() < 0.5)
        story.pay(ts, card, story.between(50, 400), terminal=shop, device=device, approved=approved)
        if approved and story.random.random() < 0.6:
            story.pay(ts + story.between(10, 40) * MINUTE_MS, card, story.between(15_000, 90_000), device=device)
        ts += story.between(20_000, 240_000)


def impossible_travel(story: Story) -> None:
    """A card's copy pays in another part of the world while its owner has just paid at home."""
    usual, size = story.usual, story.bank.size
    while True:
        row = story.between(len(usual) // 15, len(usual))
        if not usual.online[row] and usual.terminal[row] < size.terminals and usual.kind[row] == NONE:
            break
    ts, city = int(usual.ts[row]), story.between(0, len(CITIES))
    for _ in range(story.between(1, 4)):
        ts += story.between(15, 50) * MINUTE_MS
        terminal = size.terminals + city * CITY_TERMINALS + story.between(0, CITY_TERMINALS)
        story.pay(ts, int(usual.card[row]), story.between(3_000, 20_000), terminal=terminal)


def dormancy_wake_up(story: Story) -> None:
    """A card that lay unused for months pays several times within a day."""
    ts = story.begin()
    dormant = np.setdiff1d(np.flatnonzero(story.bank.dormant)[1::2], story.woken)
    card = int(story.random.choice(dormant)) if len(dormant) else story.customer()
    story.woken.append(card)
    for _ in range(story.between(3, 8)):
        story.pay(ts, card, story.between(4_000, 20_000))
        ts += story.between(5, 240) * MINUTE_MS


def account_takeover(story: Story) -> None:
    """Guessed passwords, a login from a new device, new contact details, and the money leaves for an account never used before."""
    ts, customer, device = story.begin(), story.customer(), story.new_device()
    home = int(story.bank.home[customer])
    country = home if story.random.random() < 0.5 else story.between(3, 8)
    for _ in range(story.between(0, 7)):
        story.login(ts, customer, device, country, success=False)
        ts += story.between(5_000, 60_000)
    story.login(ts, customer, device, country, success=True)
    ts += story.between(2, 15) * MINUTE_MS
    story.contacts.append((ts, customer, story.kind, story.episode))
    account = story.new_account()
    for _ in range(story.between(1, 4)):
        ts += story.between(4, 40) * MINUTE_MS
        story.transfer(ts, customer, account, story.between(60_000, 400_000))


def mule_pass_through(story: Story) -> None:
    """Strangers' money arrives in an account, and most of it goes on to another bank within hours."""
    ts, mule, received = story.begin(), story.customer(), 0
    for _ in range(story.between(1, 4)):
        cents = story.between(80_000, 500_000)
        story.transfer(ts, story.new_account(), mule, cents)
        received += cents
        ts += story.between(1, 30) * MINUTE_MS
    ts += int(story.random.lognormal(np.log(45), 0.8)) * MINUTE_MS
    parts, leaving = story.between(1, 4), received * story.between(85, 99) // 100
    for _ in range(parts):
        story.transfer(ts, mule, story.new_account(), leaving // parts)
        ts += story.between(1, 15) * MINUTE_MS


KINDS_OF_STORY: dict[str, Callable[[Story], None]] = {
    "card_testing": card_testing,
    "impossible_travel": impossible_travel,
    "dormancy_wake_up": dormancy_wake_up,
    "account_takeover": account_takeover,
    "mule_pass_through": mule_pass_through,
}


def _columns(rows: list[tuple[int, ...]], types: tuple[type, ...]) -> list[Any]:
    columns = zip(*rows, strict=True) if rows else ((),) * len(types)
    return [np.array(column, np.bool_ if type_ is bool else np.int64) for column, type_ in zip(columns, types, strict=True)]
