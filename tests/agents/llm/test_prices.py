"""Money, exactly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.llm.prices import Prices, likely_tokens, most_tokens
from models.application.respond.resolved import Price


def test_table() -> None:
    prices = Prices({"small": Price(400, 1600)}, "EUR")
    assert prices.cost("small", 1_000_000, 0) == 400_000_000, "0.4 EUR a million"
    assert prices.cost("small", 10, 10) == 20_000
    assert Prices({}).cost("any", 10, 10) == 0
    with pytest.raises(KeyError):
        prices.cost("other", 1, 1)
    assert prices.version == Prices({"small": Price(400, 1600)}, "EUR").version != Prices({}, "EUR").version


@given(st.text(max_size=50))
def test_reserved_is_more_than_likely(text: str) -> None:
    assert most_tokens([text], 1) > likely_tokens([text], 1)
    assert most_tokens([text], 1) >= len(text.encode())
