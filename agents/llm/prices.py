"""What tokens cost, exactly: money is in billionths (nano) of the currency of the budgets."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.application.respond.resolved import Price

_PER_MESSAGE = 16
"""Tokens that a chat template may put around a message."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices by model. Without any, calls cost nothing and only their number is limited."""

    by_model: Mapping[str, Price]
    currency: str = ""

    @property
    def version(self) -> str:
        """sha256[:12] of the table: what a call's cost was worked out with."""
        lines = sorted(f"{model} {price.input_nano} {price.output_nano}" for model, price in self.by_model.items())
        return hashlib.sha256("\n".join([self.currency, *lines]).encode()).hexdigest()[:12]

    def cost(self, model: str, tokens_in: int, tokens_out: int) -> int:
        """Nano for a call of a model.

        Raises:
            KeyError: for a model without a price where others have one; a responder does not start with such a model.
        """
        if not self.by_model:
            return 0
        price = self.by_model[model]
        return tokens_in * price.input_nano + tokens_out * price.output_nano


def most_tokens(texts: Sequence[str], messages: int) -> int:
    """More tokens than a request can have: its tokenizer makes at most one of each byte. What is reserved before a call."""
    return sum(len(text.encode()) for text in texts) + _PER_MESSAGE * (messages + 1)


def likely_tokens(texts: Sequence[str], messages: int) -> int:
    """Tokens of a request by the rule of three bytes each, which JSON stays below: what ``tokens_per_call`` is held against."""
    return -(-sum(len(text.encode()) for text in texts) // 3) + _PER_MESSAGE * messages
