"""What a stage remembers of each key, and what bounds it, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dataflows.planning.steps import Lookup, Plan, Scoring, Stage, Wave
from models.application.resolved.facts import Feature, Rollup, Score
from models.application.resolved.patterns import Pattern
from models.expressions.text import interval_text

_KEPT_WHOLE = frozenset({"distinct", "quantile", "is_new"})


def remembered(plan: Plan, stage: Stage) -> list[dict[str, str]]:
    """For each part of a key's state: what is kept, until when, and for whom."""
    features = [fact for step in stage.steps if isinstance(step, Wave) for fact in step.features]
    scores = [score for step in stage.steps if isinstance(step, Scoring) for score in step.scores]
    found = [*_tables(plan, stage), *_windows(features), *_values(features), *_scores(scores)]
    for step in stage.steps:
        if isinstance(step, Pattern):
            found.extend(_pattern(step))
        elif isinstance(step, Rollup):
            found.append(_rollup(step))
    return found


def _part(keeps: str, until: str, names: Sequence[str]) -> dict[str, str]:
    return {"keeps": keeps, "until": until, "for": ", ".join(names)}


def _tables(plan: Plan, stage: Stage) -> Iterator[dict[str, str]]:
    joins: dict[str, list[str]] = {}
    for step in stage.steps:
        if isinstance(step, Lookup) and not plan.application.tables[step.join.table].static:
            joins.setdefault(step.join.table, []).append(step.join.name or "changed()")
    for table, names in joins.items():
        yield _part(f"the row of {table}, and older ones that events may still need", "it is deleted", sorted(set(names)))


def _windows(features: Sequence[Feature]) -> Iterator[dict[str, str]]:
    """Windows over one stream share one log of its events, which is as long as the longest of them."""
    logs: dict[str, list[Feature]] = {}
    for fact in features:
        if fact.over is not None:
            logs.setdefault(fact.of, []).append(fact)
    for stream, facts in logs.items():
        longest = max((fact.over or 0) + fact.delay for fact in facts)
        yield _part(f"the events of {stream}", f"they are {interval_text(longest)} old", [fact.name for fact in facts])


def _values(features: Sequence[Feature]) -> Iterator[dict[str, str]]:
    for fact in features:
        if fact.over is not None:
            continue
        kept = (
            "every value"
            if fact.aggregate in _KEPT_WHOLE
            else f"{fact.n} event(s)"
            if fact.aggregate == "previous"
            else "one value"
        )
        delay = f" and the events of the last {interval_text(fact.delay)}" if fact.delay else ""
        yield _part(f"{kept}{delay}", _silent(fact.ttl), [fact.name])


def _scores(scores: Sequence[Score]) -> Iterator[dict[str, str]]:
    for score in scores:
        if score.kind != "zscore":
            continue
        if score.over is None:
            yield _part("a mean and a spread", _silent(score.ttl), [score.name])
        else:
            yield _part("the values learnt", f"they are {interval_text(score.over + score.delay)} old", [score.name])


def _rollup(rollup: Rollup) -> dict[str, str]:
    window = rollup.window
    if rollup.label is not None:
        kept = f"{rollup.of}, and {rollup.label.name} of each"
        return _part(kept, f"they are {interval_text(window.size)} old", [rollup.label.name])
    if window.kind == "hopping":
        return _part(f"the events of {rollup.of}", f"they are {interval_text(window.size)} old", [rollup.name])
    whole = any(measure.aggregate in _KEPT_WHOLE for measure in rollup.select)
    until = f"{interval_text(window.size)} of quiet" if window.kind == "session" else "its window ends"
    return _part("every value of the open window" if whole else "the open window", until, [rollup.name])


def _pattern(pattern: Pattern) -> Iterator[dict[str, str]]:
    hold, suppress = pattern.hold, pattern.suppress
    if hold is not None and hold.time is None:
        yield _part(f"which of the last {hold.of} events were TRUE", _silent(None), [pattern.name])
    elif hold is not None and hold.time is not None:
        yield _part("when an unbroken run began", f"{interval_text(hold.time)} have passed or it is broken", [pattern.name])
    elif pattern.trigger == "edge" or pattern.clear is not None:
        yield _part("whether it is raised", _silent(None), [pattern.name])
    if suppress.cooldown is not None:
        yield _part(
            "its last flag's time and what was suppressed", f"twice {interval_text(suppress.cooldown)} later", [pattern.name]
        )
    if suppress.debounce is not None:
        yield _part("the burst that is on", f"{interval_text(suppress.debounce)} of quiet", [pattern.name])
    if suppress.batch_over is not None:
        yield _part("the hits of the open batch", f"{interval_text(suppress.batch_over)} after the first", [pattern.name])
    if suppress.limit_over is not None:
        yield _part(
            f"the times of {suppress.limit_count} flags", f"they are {interval_text(suppress.limit_over)} old", [pattern.name]
        )


def _silent(ttl: int | None) -> str:
    """Until a key was silent for a time; patterns have the default."""
    return f"the key was silent for {interval_text(ttl if ttl is not None else 90 * 86_400_000_000)}"
