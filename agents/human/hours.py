"""Time that counts for people: quiet hours do not."""

from __future__ import annotations

from math import gcd

from models.application.respond.resolved import QuietHours

_MINUTE = 60_000_000
_FURTHEST = 62 * 86_400_000_000
"""How far a moment is looked for; of a calendar that is quiet for longer, the duration counts as it stands."""


def after(start: int, duration: int, quiet: QuietHours | None) -> int:
    """The moment at which ``duration`` of not quiet time has passed since ``start``; all in microseconds."""
    if quiet is None:
        return start + duration
    step = gcd(quiet.calendar.begin, quiet.calendar.end, 15) * _MINUTE  # zones differ by whole quarters of an hour
    time, left = start, duration
    while time - start < _FURTHEST:
        end = time - time % step + step
        if not quiet.quiet(time):
            if left <= end - time:
                return time + left
            left -= end - time
        time = end
    return start + duration
