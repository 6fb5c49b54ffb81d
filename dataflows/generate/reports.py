"""Frauds as card holders report them, days later: what a bank knows of its losses, and when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataflows.generate.bank import DAY_MS, Bank
from dataflows.generate.payments import NONE, Payments


@dataclass(frozen=True, slots=True)
class Reports:
    """One entry a report: when it comes (milliseconds), and the row of the payment that it is about."""

    ts: NDArray[np.int64]
    payment: NDArray[np.int64]


def make_reports(payments: Payments, bank: Bank, random: np.random.Generator) -> Reports:
    """Nine of ten approved frauds of more than 5 are reported within a week, and one in 20,000 ordinary payments too."""
    fraud = (payments.kind != NONE) & payments.approved & (payments.cents > 500) & (random.random(len(payments)) < 0.9)
    rows = np.flatnonzero(fraud | (random.random(len(payments)) < 1 / 20_000))
    ts = payments.ts[rows] + random.integers(DAY_MS // 2, 7 * DAY_MS, len(rows))
    order = np.argsort(ts, kind="stable")
    rows, ts = rows[order], ts[order]
    inside = ts < bank.size.end
    return Reports(ts[inside], rows[inside])
