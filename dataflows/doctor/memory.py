"""How far back an application looks: what a topic must still hold when a run begins anew."""

from __future__ import annotations

from collections.abc import Iterator

from models.application.resolved.application import Application
from models.application.resolved.patterns import Pattern


def longest(application: Application) -> tuple[int, str]:
    """The longest window of an application (microseconds), and whose it is; memories without an end are left out."""
    return max(_windows(application), default=(0, ""))


def _windows(application: Application) -> Iterator[tuple[int, str]]:
    for feature in application.features.values():
        if feature.over is not None:
            yield feature.over + feature.delay + (feature.every or 0), f"feature {feature.name}"
    for score in application.scores.values():
        if score.over is not None:
            yield score.over + score.delay, f"score {score.name}"
    for rollup in application.rollups.values():
        yield rollup.window.size, f"rollup {rollup.name}"
    for pattern in application.patterns.values():
        yield max(_times(pattern)), f"pattern {pattern.name}"
    for stream in application.streams.values():
        yield stream.dedup or 0, f"dedup of {stream.name}"


def _times(pattern: Pattern) -> Iterator[int]:
    rules = pattern.suppress
    yield from (time or 0 for time in (rules.cooldown, rules.debounce, rules.max_wait, rules.batch_over, rules.limit_over))
    if pattern.hold is not None:
        yield pattern.hold.time or 0
    if pattern.sequence is not None:
        yield pattern.sequence.within or 0
    if pattern.absence is not None:
        yield pattern.absence.time
