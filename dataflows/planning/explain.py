"""A plan as plain data for people and machines (EXPLAIN): what is read, done by which key, remembered, and waited for."""

from __future__ import annotations

from typing import Any

from dataflows.planning.partitioned import exchange_of
from dataflows.planning.remembered import remembered
from dataflows.planning.steps import SOURCE, Derive, Lookup, Plan, Scoring, Stage, Step, Storming, Suppression, Wave
from models.application.resolved.facts import Feature, Rollup
from models.application.resolved.patterns import Pattern
from models.application.resolved.sources import FileInput, KafkaInput, Stream, Table
from models.application.resolved.steps import SequenceSpec
from models.expressions.text import interval_text


def explain(plan: Plan) -> dict[str, Any]:
    """Sources, stages with lanes, steps, state and waits, and notes about what costs."""
    return {
        "name": plan.application.name,
        "sources": [_source(plan, name) for name in plan.sources],
        "static": [_static(table) for table in plan.application.tables.values() if table.static],
        "stages": [_stage(plan, stage) for stage in plan.stages],
        "notes": _notes(plan),
    }


def duration(microseconds: int | None) -> str:
    """A duration as the language writes it; None is all of the past."""
    return "all" if microseconds is None else interval_text(microseconds)


def _source(plan: Plan, name: str) -> dict[str, Any]:
    application = plan.application
    is_stream = name in application.streams
    source = application.streams[name] if is_stream else application.tables[name]
    found: dict[str, Any] = {
        "name": name,
        "kind": "stream" if is_stream else "table",
        "from": _from(source),
        "format": source.format,
        "lateness": duration(source.lateness),
        "wanted": sorted(column for column in plan.wanted[name] if not column.startswith("__")),
        "prelude": [text for step in plan.prelude.get(name, ()) for text in _steps(step)],
    }
    if isinstance(source, Stream):
        found["where"] = None if source.where is None else source.where.text
        found["dedup"] = None if source.dedup is None else duration(source.dedup)
    return found


def _static(table: Table) -> dict[str, Any]:
    return {"name": table.name, "from": _from(table), "format": table.format, "key": list(table.key)}


def _from(source: Stream | Table) -> str:
    if isinstance(source.input, FileInput):
        return ", ".join(source.input.globs)
    if isinstance(source.input, KafkaInput):
        return ", ".join(f"{source.input.connection}/{topic}" for topic in source.input.topics)
    return "nothing yet"


def _stage(plan: Plan, stage: Stage) -> dict[str, Any]:
    lanes = []
    for index, lane in enumerate(stage.lanes):
        kind = "changes of" if lane.table else "rows of" if lane.primary else "learns from"
        carried = sorted(name for name in plan.columns.get((stage.index, index), ()) if not name.startswith(("__", "\0")))
        lanes.append({"kind": kind, "source": lane.source, "by": list(lane.fields), "carries": carried})
    return {
        "stage": stage.index + 1,
        "key": ", ".join(stage.entity) or "nothing (one key)",
        "lanes": lanes,
        "steps": [text for step in stage.steps for text in _steps(step)],
        "state": remembered(plan, stage),
        "waits": _waits(plan, stage),
        "by_partition": exchange_of(plan, stage) is None,
    }


def _waits(plan: Plan, stage: Stage) -> dict[str, Any]:
    """The sources whose partitions must have passed a row's time before the stage takes it, and the longest lateness of them."""
    application = plan.application
    names = feeding(plan, stage.index)
    lateness = {
        name: (application.streams[name] if name in application.streams else application.tables[name]).lateness for name in names
    }
    return {"for": names, "longest": duration(max(lateness.values(), default=0))}


def feeding(plan: Plan, stage: int) -> list[str]:
    """The sources whose rows, or what they cause, come to a stage: it waits for all of them."""
    return [name for name in plan.sources if stage in _reached(plan, name)]


def _reached(plan: Plan, source: str) -> set[int]:
    """All stages that a source's rows, or what they cause, come to."""
    reached: set[int] = set()
    waiting = [stage for stage, _ in plan.targets.get((SOURCE, source), ())]
    while waiting:
        stage = waiting.pop()
        if stage not in reached:
            reached.add(stage)
            waiting.extend(target for (origin, _), found in plan.targets.items() if origin == stage for target, _ in found)
    return reached


def _steps(step: Step) -> list[str]:
    match step:
        case Derive():
            return [f"derive {step.column.replace('pattern:', 'truth of ')} = {step.expression.text}"]
        case Lookup():
            if step.join.compares:
                return [f"changed({', '.join(step.columns)}): against the row of {step.join.table} before the same change"]
            return [f"join {step.join.name}: {step.join.table} on {', '.join(step.join.on)} ({', '.join(step.columns)})"]
        case Wave():
            return [f"feature {_feature(fact)}" for fact in step.features]
        case Scoring():
            return [f"score {score.name}: {score.kind}({score.value.text}) over {duration(score.over)}" for score in step.scores]
        case Suppression():
            return [f"suppress {step.pattern.name} per {', '.join(step.pattern.suppress.per)}"]
        case Storming():
            return [f"at most so many flags of {step.pattern.name} at a time"]
        case Rollup():
            return [_rollup(step)]
    return [_pattern(step)]


def _feature(fact: Feature) -> str:
    value = "" if fact.value is None else f"({fact.value.text})"
    delay = f" delay {duration(fact.delay)}" if fact.delay else ""
    where = "" if fact.where is None else f" where {fact.where.text}"
    return f"{fact.name}: {fact.aggregate}{value} of {fact.of} over {duration(fact.over)}{delay}{where}"


def _rollup(rollup: Rollup) -> str:
    window, label = rollup.window, rollup.label
    if label is not None:
        told = f"{label.value.text} of {label.source} by {label.matches}"
        return f"label {label.name}: {rollup.of}, each again after {duration(window.size)} with {told} as it is known then"
    size = duration(window.size) if window.kind != "hopping" else f"{duration(window.size)} every {duration(window.step)}"
    select = ", ".join(f"{m.name}: {m.aggregate}{'' if m.value is None else f'({m.value.text})'}" for m in rollup.select)
    return f"rollup {rollup.name}: of {rollup.of}, {window.kind} {size}: {select}"


def _pattern(pattern: Pattern) -> str:
    mode = "" if pattern.mode == "live" else f" ({pattern.mode})"
    head = f"pattern {pattern.name}{mode}:"
    if pattern.sequence is not None:
        return f"{head} {_sequence(pattern.sequence)}"
    when = f"on {pattern.on} when {' '.join(pattern.when.text.split())}" if pattern.when.reads else f"on {pattern.on}"
    if pattern.absence is not None:
        return f"{head} no event {when} for {duration(pattern.absence.time)}"
    return f"{head} {when}"


def _sequence(spec: SequenceSpec) -> str:
    """The steps of a pattern, and how long a match may be held back."""
    steps = spec.steps[0].steps if spec.kind == "all" and spec.steps[0].any_order else spec.steps
    names = [f"no {step.name}" if step.negated else step.name or " or ".join(arm.name for arm in step.arms) for step in steps]
    limit = spec.within if spec.within is not None else spec.gap
    within = "" if limit is None else f" within {duration(limit)}{' of the one before' if spec.gap is not None else ''}"
    held = ""
    if spec.ordered and spec.after != "none":
        longest = "without end" if spec.within is None else f"up to {duration(spec.within)}"
        held = f"; a match waits {longest} for attempts that began before it (emit: ordered)"
    return f"{spec.kind} of {', '.join(names)}{within}{held}"


def _exchanged(plan: Plan, stage: Stage) -> list[str]:
    """Why a stage exchanges rows, where a stream promises its key."""
    reason = exchange_of(plan, stage)
    streams = (plan.application.streams.get(lane.source) for lane in stage.lanes)
    promised = any(stream is not None and set(stream.partitioned_by) == set(stage.entity) for stream in streams)
    if not reason or not promised or not stage.entity:
        return []
    return [f"stage {stage.index + 1} exchanges rows despite partitioned_by: {reason}"]


def _notes(plan: Plan) -> list[str]:
    notes = []
    for stage in plan.stages:
        if not stage.entity:
            notes.append(f"stage {stage.index + 1} has one key: all its rows are done by one shard")
        notes.extend(_exchanged(plan, stage))
    carried = {lane.source for stage in plan.stages for lane in stage.lanes}
    for name in plan.sources:
        if name not in carried:
            notes.append(f"{name} is read and judged, and nothing uses it")
    return notes
