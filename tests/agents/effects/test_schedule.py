"""When an effect is tried again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agents.effects.outcome import answered
from agents.effects.schedule import next_attempt, retry_after

SECOND = 1_000_000
DAY = 86_400 * SECOND
SCHEDULE = tuple(seconds * SECOND for seconds in (0, 5, 300, 1800))


@given(st.integers(0, 3), st.text(min_size=1, max_size=8), st.integers(0, 10**15), st.integers(0, DAY))
def test_waits_lie_between_the_schedule_and_a_tenth_more(attempts: int, key: str, now: int, after: int) -> None:
    due = next_attempt(SCHEDULE, attempts, key, now)
    assert due is not None
    assert SCHEDULE[attempts] <= due - now <= SCHEDULE[attempts] * 1.1
    asked = next_attempt(SCHEDULE, attempts, key, now, after)
    assert asked == max(due, now + after)
    assert next_attempt(SCHEDULE, attempts, key, now) == due


def test_keys_are_spread_and_the_schedule_ends() -> None:
    assert len({next_attempt(SCHEDULE, 2, f"k{i}", 0) for i in range(100)}) > 90
    assert next_attempt(SCHEDULE, 4, "k", 0) is None


def test_a_receiver_cannot_ask_for_more_than_a_day() -> None:
    assert next_attempt(SCHEDULE, 1, "k", 0, 10 * DAY) == DAY
    assert retry_after("9" * 30, 0) == DAY


@given(st.text())
def test_any_retry_after_is_read_or_passed_over(text: str) -> None:
    found = retry_after(text, 0)
    assert found is None or found >= 0


def test_a_date_in_the_past_asks_for_nothing() -> None:
    assert retry_after("Thu, 01 Jan 1970 00:00:10 GMT", 20 * SECOND) == 0


def test_statuses() -> None:
    found = {status: answered(status, 7 * SECOND) for status in (200, 202, 301, 400, 410, 429, 500, 502, 504)}
    assert [each.name for each in found.values()] == [
        "ok",
        "ok",
        "redirect",
        "refused",
        "gone",
        "throttled",
        "failed",
        "throttled",
        "throttled",
    ]
    assert [status for status, each in found.items() if each.final] == [410]
    assert found[429].retry_after == 7 * SECOND
