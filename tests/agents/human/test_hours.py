"""Time that counts for people."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.human.hours import after
from models.application.respond.resolved import QuietHours
from models.expressions.facts import Calendar

MINUTE = 60_000_000
OFFICE = Calendar("office", "Europe/Berlin", 9 * 60, 17 * 60, frozenset(range(5)))
OUTSIDE = QuietHours(OFFICE, inside=False)
NIGHT = QuietHours(Calendar("night", "UTC", 22 * 60, 6 * 60 + 10, frozenset(range(7))), inside=True)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("start", "minutes", "quiet", "due"),
    [
        ("2024-01-05T10:00:30", 15, None, "2024-01-05T10:15:30"),
        ("2024-01-05T10:00:30", 15, OUTSIDE, "2024-01-05T10:15:30"),
        ("2024-01-05T15:50:00", 30, OUTSIDE, "2024-01-08T08:20:00"),
        ("2024-01-06T12:00:00", 30, OUTSIDE, "2024-01-08T08:30:00"),
        ("2024-03-29T15:30:00", 60, OUTSIDE, "2024-04-01T07:30:00"),
        ("2024-01-05T21:59:00", 2, NIGHT, "2024-01-06T06:11:00"),
    ],
)
def test_quiet_hours_do_not_count(start: str, minutes: int, quiet: QuietHours | None, due: str) -> None:
    assert after(at(start), minutes * MINUTE, quiet) == at(due)


@settings(max_examples=25)
@given(st.integers(0, 14 * 24 * 60), st.integers(1, 600), st.sampled_from([OUTSIDE, NIGHT]))
def test_against_counting_minutes(start: int, minutes: int, quiet: QuietHours) -> None:
    begin = at("2024-03-20T00:00:00") + start * MINUTE
    time, left = begin, minutes
    while left:
        left -= not quiet.quiet(time)
        time += MINUTE
    assert after(begin, minutes * MINUTE, quiet) == time


def test_a_calendar_that_is_always_quiet() -> None:
    never = QuietHours(Calendar("never", "UTC", 0, 60, frozenset()), inside=False)
    assert after(0, MINUTE, never) == MINUTE
