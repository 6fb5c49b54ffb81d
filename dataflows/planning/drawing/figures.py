"""What is drawn of a plan: the way of rows through its stages, and each pattern."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dataflows.planning.drawing.graph import Figure
from dataflows.planning.drawing.steps import absence, sequence
from dataflows.planning.explain import explain
from dataflows.planning.steps import Plan
from models.application.resolved.patterns import Pattern
from models.expressions.text import interval_text

_STEPS = 8
"""Lines of a stage's steps that are shown."""


def figures(plan: Plan) -> list[Figure]:
    """The plan, then every pattern in the order of the file."""
    return [plan_figure(plan), *(pattern_figure(plan, pattern) for pattern in plan.application.patterns.values())]


def plan_figure(plan: Plan) -> Figure:
    """Sources, stages with what they do, and where flags go."""
    shown = explain(plan)
    found = Figure(f"{shown['name']}: the way of rows")
    for source in shown["sources"]:
        found.box(f"source {source['name']}", source["name"], f"{source['kind']}, {source['format']}", shape="source")
    for stage in shown["stages"]:
        steps = stage["steps"]
        more = [f"and {len(steps) - _STEPS} more"] if len(steps) > _STEPS else []
        lines = [f"stage {stage['stage']} by {stage['key']}", *map(_short, steps[:_STEPS]), *more]
        found.box(f"stage {stage['stage']}", *lines)
    for (origin, stream), targets in plan.targets.items():
        begin = f"source {stream}" if origin < 0 else f"stage {origin + 1}"
        for stage, _ in targets:
            found.arrow(begin, f"stage {stage + 1}", "" if origin < 0 else stream)
    raising = {stage["stage"]: [step for step in stage["steps"] if step.startswith("pattern ")] for stage in shown["stages"]}
    found.box("flags", "flags", shape="flag")
    for number, patterns in raising.items():
        if patterns:
            found.arrow(f"stage {number}", "flags", f"{len(patterns)} pattern{'s' * (len(patterns) > 1)}")
    return found


def pattern_figure(plan: Plan, pattern: Pattern) -> Figure:
    """A pattern from its streams to its flag: steps or condition, guard, hours, suppression."""
    by = f" by {', '.join(pattern.by.entity)}" if pattern.by.entity else ""
    found = Figure(f"{pattern.name}{by}")
    if pattern.sequence is not None:
        last = sequence(found, pattern.sequence)
    elif pattern.absence is not None:
        last = absence(found, pattern)
    else:
        last = _condition(found, pattern)
    for place, (name, lines) in enumerate(_after(pattern)):
        box = found.box(f"after {place}", name, *lines)
        for each in last:
            found.arrow(each, box)
        last = [box]
    levels = ", ".join(level for level, _ in pattern.severity)
    flag = found.box("flag", f"flag: {levels}", pattern.title.source, shape="flag")
    for each in last:
        found.arrow(each, flag)
    if pattern.sequence is not None and pattern.sequence.timeout:
        found.box("timeout", "flag: timeout", "where none of the first event's attempts matched", shape="flag")
        found.arrow("first", "timeout", f"after {_within(pattern)}", dashed=True)
    return found


def _within(pattern: Pattern) -> str:
    spec = pattern.sequence
    assert spec is not None
    return interval_text(spec.gap if spec.gap is not None else spec.within or 0)


def _condition(found: Figure, pattern: Pattern) -> list[str]:
    stream = found.box("stream", pattern.on, shape="source")
    hold = pattern.hold
    lines = [pattern.when.text]
    if hold is not None:
        lines.append(f"hold: {interval_text(hold.time)}" if hold.time is not None else f"hold: {hold.count} of {hold.of}")
    if pattern.trigger == "edge":
        lines.append("trigger: edge")
    if pattern.clear is not None:
        lines.append(f"clear: {pattern.clear.text}")
    condition = found.box("when", "when", *lines, shape="round")
    found.arrow(stream, condition)
    return [condition]


def _after(pattern: Pattern) -> Iterator[tuple[str, list[str]]]:
    """What a hit passes before it is a flag."""
    if pattern.active is not None:
        yield "active", [f"{'in' if pattern.active.inside else 'not in'} {pattern.active.calendar.name}"]
    if pattern.guard is not None:
        yield "guard", [pattern.guard.text]
    rules: dict[str, Any] = {
        "cooldown": pattern.suppress.cooldown, "debounce": pattern.suppress.debounce, "batch": pattern.suppress.batch_over,
    }  # fmt: skip
    lines = [f"{name} {interval_text(time)}" for name, time in rules.items() if time is not None]
    if pattern.suppress.limit_count is not None:
        lines.append(f"limit {pattern.suppress.limit_count} in {interval_text(pattern.suppress.limit_over or 0)}")
    if lines:
        per = f" per {', '.join(pattern.suppress.per)}" if pattern.suppress.per else ""
        yield f"suppress{per}", lines


def _short(text: str) -> str:
    return text if len(text) <= 90 else f"{text[:88]}…"
