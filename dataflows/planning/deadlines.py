"""What patterns read of features at their deadlines, and which wave tells it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dataflows.planning.steps import Stage, Step, Wave
from models.application.resolved.facts import Feature, Rollup
from models.application.resolved.patterns import Pattern


def deadline_reads(stage: Stage, wave: Wave) -> list[tuple[Pattern, dict[str, str]]]:
    """Patterns with deadlines of their own, with the columns of this wave that they read then and the wave's names for them."""
    found: list[tuple[Pattern, dict[str, str]]] = []
    for place, step in enumerate(stage.steps):
        if isinstance(step, Pattern):
            waves = last_waves(stage.steps[:place], step)
            columns = _columns(step, [fact for fact in wave.features if waves.get(fact.name) is wave])
            found.extend([(step, columns)] if columns else [])
    return found


def last_waves(before: Sequence[Step], pattern: Pattern) -> dict[str, Wave]:
    """For each feature the wave that a pattern asks at deadlines: the last, and of those that know all rows it stands on."""
    bases = (at for at, step in enumerate(before) if isinstance(step, Pattern | Rollup) and step.name in pattern.streams)
    begin = max(bases, default=0)
    return {fact.name: step for step in before[begin:] if isinstance(step, Wave) for fact in step.features}


def features_at_deadlines(pattern: Pattern, features: Iterable[Feature]) -> list[Feature]:
    """Those features that a pattern reads as of its deadlines."""
    return [feature for feature in features if _columns(pattern, [feature])]


def _columns(pattern: Pattern, features: Iterable[Feature]) -> dict[str, str]:
    """Columns of features of the pattern's own entity that it reads at deadlines, with the names that a wave gives them."""
    if not pattern.decided_by_time:
        return {}
    reads = frozenset(pattern.reads_of_hits())
    ends = [
        (f"{fact.name}[{pattern.by.role}]{end}", fact.name + end)
        for fact in features if fact.by.entity == pattern.by.entity
        for end in ([f".{field}" for field in fact.event_fields] if fact.event else [""])
    ]  # fmt: skip
    return {column: name for column, name in ends if column in reads}
