"""Money as the language writes it: ``5 EUR``, ``0.50 USD``, ``1 EUR per day``."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Literal, NamedTuple

_MONEY = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ([A-Z]{3})(?: per (hour|day))?")
NANO = 1_000_000_000


class Amount(NamedTuple):
    """Billionths of a currency, and the window where one is named."""

    nano: int
    currency: str
    window: Literal["hour", "day"] | None


def parse_money(text: str) -> Amount | None:
    """An amount; None for text that is none.

    >>> parse_money("0.50 EUR per day")
    Amount(nano=500000000, currency='EUR', window='day')
    """
    found = _MONEY.fullmatch(text)
    if found is None:
        return None
    window: Literal["hour", "day"] | None = "hour" if found[3] == "hour" else "day" if found[3] else None
    return Amount(int(Decimal(found[1]) * NANO), found[2], window)


def price_nano(text: str) -> int | None:
    """Nano for one token from a price for a million tokens; None for text that is no price.

    >>> price_nano("0.4")
    400
    """
    found = re.fullmatch(r"\d{1,9}(?:\.\d{1,9})?", text)
    return None if found is None else int((Decimal(text) * NANO / 1_000_000).to_integral_value(rounding="ROUND_CEILING"))


def money_text(nano: int, currency: str) -> str:
    """An amount as people read it: at least two decimals, no more than it has.

    >>> money_text(1_250_000_400, "EUR")
    '1.2500004 EUR'
    """
    whole, rest = divmod(abs(nano), NANO)
    shown = f"{rest:09d}".rstrip("0").ljust(2, "0")
    return f"{'-' if nano < 0 else ''}{whole}.{shown} {currency}".strip()
