"""A plan as plain data for people and machines (EXPLAIN)."""

from __future__ import annotations

from typing import Any

from dataflows.steps import Derive, Lookup, Plan, Scoring, Stage, Step, Wave
from models.application.resolved import Feature, Pattern

_UNITS = ((86_400_000_000, "d"), (3_600_000_000, "h"), (60_000_000, "m"), (1_000_000, "s"), (1_000, "ms"))


def explain(plan: Plan) -> dict[str, Any]:
    """Sources, stages with lanes and steps, and notes about what costs or waits."""
    return {
        "name": plan.application.name,
        "sources": [_source(plan, name) for name in plan.sources],
        "stages": [_stage(plan, stage) for stage in plan.stages],
        "notes": _notes(plan),
    }


def duration(microseconds: int | None) -> str:
    """A duration as the language writes it; None is all of the past."""
    if microseconds is None:
        return "all"
    for size, unit in _UNITS:
        if microseconds % size == 0:
            return f"{microseconds // size}{unit}"
    return f"{microseconds}us"


def _source(plan: Plan, name: str) -> dict[str, Any]:
    application = plan.application
    is_stream = name in application.streams
    source = application.streams[name] if is_stream else application.tables[name]
    return {
        "name": name,
        "kind": "stream" if is_stream else "table",
        "format": source.format,
        "lateness": duration(source.lateness),
        "wanted": sorted(plan.wanted[name]),
        "prelude": [_step(step) for step in plan.prelude.get(name, ())],
    }


def _stage(plan: Plan, stage: Stage) -> dict[str, Any]:
    lanes = []
    for index, lane in enumerate(stage.lanes):
        kind = "changes of" if lane.table else "rows of" if lane.primary else "learns from"
        carried = ", ".join(sorted(plan.columns[stage.index, index]))
        lanes.append(f"{kind} {lane.source} by {', '.join(lane.fields) or 'nothing'} carrying {carried}")
    return {
        "stage": stage.index + 1,
        "key": ", ".join(stage.entity) or "nothing (one key)",
        "lanes": lanes,
        "steps": [_step(step) for step in stage.steps],
    }


def _step(step: Step) -> str:
    match step:
        case Derive():
            return f"derive {step.column} = {step.expression.text}"
        case Lookup():
            return f"join {step.join.name}: {step.join.table} on {', '.join(step.join.on)} ({', '.join(step.columns)})"
        case Wave():
            return "features " + "; ".join(_feature(fact) for fact in step.features)
        case Scoring():
            return "scores " + "; ".join(f"{score.name}: {score.kind} over {duration(score.over)}" for score in step.scores)
    return _pattern(step)


def _feature(fact: Feature) -> str:
    delay = f" delay {duration(fact.delay)}" if fact.delay else ""
    return f"{fact.name}: {fact.aggregate} of {fact.of} over {duration(fact.over)}{delay}"


def _pattern(pattern: Pattern) -> str:
    return f"pattern {pattern.name}: on {pattern.on} when {pattern.when.text}"


def _notes(plan: Plan) -> list[str]:
    notes = []
    for stage in plan.stages:
        if not stage.entity:
            notes.append(f"stage {stage.index + 1} has one key: all its rows are done by one shard")
    for feature in plan.application.features.values():
        if feature.over is None:
            notes.append(f"{feature.name} remembers a key for {duration(feature.ttl)} after its last event")
    return notes
