"""Planted episodes of fraud; each is a few payments of one customer, or all of one terminal, with a label."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dataflows.generate.bank import DAY_MS, FAR, Bank, Payments, Size

Plan = list[tuple[int, int, str, int]]
"""(milliseconds after the begin, cents, country, device) of each payment."""


def planted(bank: Bank, size: Size, random: np.random.Generator, each: int) -> tuple[list[Payments], list[tuple[int, int]]]:
    """``each`` episodes of every kind; also (customer, ms) of the e-mail changes that account takeovers begin with."""
    parts: list[Payments] = []
    changes: list[tuple[int, int]] = []
    number = 0
    for kind, plan in KINDS.items():
        for _ in range(each):
            customer = int(random.integers(size.customers))
            begin = size.start + int(
                random.integers(max(size.days // 3, 1), size.days) * DAY_MS + random.integers(20, 70) * 1_000_000
            )
            payments = plan(bank, customer, random)
            parts.append(_payments(bank, kind, number, customer, begin, payments))
            if kind == "account_takeover":
                changes.append((customer, begin - 600_000))
            number += 1
    return parts, changes


def compromised(payments: Payments, size: Size, random: np.random.Generator, count: int, number: int) -> None:
    """From one day on, for 28 days, every payment at a terminal is fraud (labelled, not added)."""
    for i in range(count):
        terminal = int(random.choice(payments.terminal))
        first = size.start + int(random.integers(0, max(size.days - 10, 1))) * DAY_MS
        hit = (payments.terminal == terminal) & (payments.ts >= first) & (payments.ts < first + 28 * DAY_MS) & (payments.kind == "")
        payments.kind[hit] = "compromised_terminal"
        payments.episode[hit] = number + i


def _card_testing(bank: Bank, customer: int, random: np.random.Generator) -> Plan:
    device = 5_000_000 + int(random.integers(1_000_000))
    small = [(i * 40_000, int(random.integers(50, 300)), str(bank.home[customer]), device) for i in range(4)]
    return [*small, (240_000, int(random.integers(40_000, 90_000)), str(random.choice(FAR)), device)]


def _impossible_travel(bank: Bank, customer: int, random: np.random.Generator) -> Plan:
    cents = int(bank.mean[customer] * 100)
    return [
        (0, cents, str(bank.home[customer]), customer * 10),
        (1_200_000, cents * 2, str(random.choice(FAR)), customer * 10 + 1),
    ]


def _account_takeover(bank: Bank, customer: int, random: np.random.Generator) -> Plan:
    device = 7_000_000 + int(random.integers(1_000_000))
    return [(i * 300_000, int(random.integers(25_000, 60_000)), str(bank.home[customer]), device) for i in range(2)]


def _velocity(bank: Bank, customer: int, random: np.random.Generator) -> Plan:
    return [(i * 50_000, int(random.integers(15_000, 30_000)), str(bank.home[customer]), customer * 10) for i in range(6)]


KINDS: dict[str, Callable[[Bank, int, np.random.Generator], Plan]] = {
    "card_testing": _card_testing,
    "impossible_travel": _impossible_travel,
    "account_takeover": _account_takeover,
    "velocity": _velocity,
}


def _payments(bank: Bank, kind: str, number: int, customer: int, begin: int, plan: Plan) -> Payments:
    n = len(plan)
    terminal = bank.near[customer][0]
    return Payments(
        np.array([begin + shift for shift, *_ in plan]), np.full(n, customer), np.full(n, terminal),
        np.array([cents for _, cents, _, _ in plan]), np.array([country for *_, country, _ in plan]),
        np.array([device for *_, device in plan]), np.full(n, kind, object), np.full(n, number),
    )  # fmt: skip
