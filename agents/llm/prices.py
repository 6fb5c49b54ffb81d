"""What tokens cost, exactly: money is in billionths (nano) of the currency of the budgets."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

NANO = 1_000_000_000
_PER_TOKEN = 1000
"""Nano a token of a price of 1 a million tokens."""
_PER_MESSAGE = 16
"""Tokens that a chat template may put around a message."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost."""

    input_per_million: Decimal
    output_per_million: Decimal

    def cost(self, tokens_in: int, tokens_out: int) -> int:
        """Nano for so many tokens, rounded up."""
        exact = (tokens_in * self.input_per_million + tokens_out * self.output_per_million) * _PER_TOKEN
        return int(exact.to_integral_value(rounding=ROUND_CEILING))


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices by model. Without any, calls cost nothing and only their number is limited."""

    by_model: Mapping[str, Price]

    @property
    def version(self) -> str:
        """sha256[:12] of the table: what a call's cost was worked out with."""
        lines = (f"{m} {p.input_per_million.normalize()} {p.output_per_million.normalize()}" for m, p in self.by_model.items())
        return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:12]

    def cost(self, model: str, tokens_in: int, tokens_out: int) -> int:
        """Nano for a call of a model.

        Raises:
            KeyError: for a model without a price where others have one; ``tocsin check`` asks for it before.
        """
        return self.by_model[model].cost(tokens_in, tokens_out) if self.by_model else 0


def most_tokens(texts: Sequence[str], messages: int) -> int:
    """More tokens than a request can have: its tokenizer makes at most one of each byte. What is reserved before a call."""
    return sum(len(text.encode()) for text in texts) + _PER_MESSAGE * (messages + 1)


def likely_tokens(texts: Sequence[str], messages: int) -> int:
    """Tokens of a request by the rule of three bytes each, which JSON stays below: what ``tokens_per_call`` is held against."""
    return -(-sum(len(text.encode()) for text in texts) // 3) + _PER_MESSAGE * messages


def money_text(nano: int) -> str:
    """An amount as a plain decimal.

    >>> money_text(1_500_000)
    '0.0015'
    """
    return format((Decimal(nano) / NANO).normalize(), "f")


def nano(amount: Decimal) -> int:
    """Billionths of an amount, rounded down: a budget is never larger than it says."""
    return int(amount * NANO)
