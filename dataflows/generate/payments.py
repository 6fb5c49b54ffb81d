"""Payments as columns, and how parts of them join to one history."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

KINDS = (
    "large_amount", "compromised_terminal", "raised_amounts", "card_testing", "impossible_travel", "dormancy_wake_up",
    "account_takeover", "mule_pass_through",
)  # fmt: skip
"""What is planted: the published simulator's three scenarios, then the bank's own episodes."""
NONE = -1
NO_DEVICE = -1


@dataclass(slots=True)
class Payments:
    """One entry a payment; ts in milliseconds, amount in cents, ``country`` an index of COUNTRIES, ``kind`` one of KINDS."""

    ts: NDArray[np.int64]
    customer: NDArray[np.int64]
    card: NDArray[np.int64]
    terminal: NDArray[np.int64]
    cents: NDArray[np.int64]
    online: NDArray[np.bool_]
    device: NDArray[np.int64]
    approved: NDArray[np.bool_]
    kind: NDArray[np.int64]
    episode: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ts)


def plain(ts: NDArray[np.int64], customer: NDArray[np.int64], terminal: NDArray[np.int64], cents: NDArray[np.int64]) -> Payments:
    """Approved payments at terminals with the customers' own cards, part of no episode."""
    n = len(ts)
    no, yes, none = np.zeros(n, np.bool_), np.ones(n, np.bool_), np.full(n, NONE)
    return Payments(ts, customer, customer.copy(), terminal, cents, no, np.full(n, NO_DEVICE), yes, none, none.copy())


def joined(parts: list[Payments]) -> Payments:
    """All payments by time, equal times in the order of the parts."""
    columns = {field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Payments)}
    order = np.argsort(columns["ts"], kind="stable")
    return Payments(**{name: column[order] for name, column in columns.items()})
