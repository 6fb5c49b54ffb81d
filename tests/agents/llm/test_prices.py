"""Money, exactly."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.llm.prices import Price, Prices, likely_tokens, money_text, most_tokens, nano

SMALL = Price(Decimal("0.4"), Decimal("1.6"))


def test_cost() -> None:
    assert SMALL.cost(1_000_000, 0) == nano(Decimal("0.4"))
    assert SMALL.cost(1, 1) == 2000
    assert Price(Decimal("0.0001"), Decimal(0)).cost(1, 0) == 1, "rounded up"
    assert money_text(SMALL.cost(1000, 100)) == "0.00056"


def test_table() -> None:
    prices = Prices({"small": SMALL})
    assert prices.cost("small", 10, 10) == 20_000
    assert Prices({}).cost("any", 10, 10) == 0
    with pytest.raises(KeyError):
        prices.cost("other", 1, 1)
    assert prices.version == Prices({"small": Price(Decimal("0.40"), Decimal("1.60"))}).version != Prices({}).version


@given(st.text(max_size=50))
def test_reserved_is_more_than_likely(text: str) -> None:
    assert most_tokens([text], 1) > likely_tokens([text], 1)
    assert most_tokens([text], 1) >= len(text.encode())
