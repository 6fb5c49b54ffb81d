"""Steps of sequences, ``all``, ``any`` and absences as boxes and arrows."""

from __future__ import annotations

from dataflows.planning.drawing.graph import Figure
from models.application.resolved.patterns import Pattern
from models.application.resolved.steps import Arm, SequenceSpec, Step
from models.expressions.text import interval_text

_WORDS = {"strict": "the very next", "relaxed": "then", "any": "any later"}


def sequence(found: Figure, spec: SequenceSpec) -> list[str]:
    """Draw the steps behind one another; the boxes that end them. The first box is ``first``."""
    first = found.box("first", f"a {spec.kind} begins" if spec.kind == "sequence" else spec.kind, *_limits(spec), shape="source")
    last = _row(found, spec.steps, [(first, False)], beginning=True)
    return [name for name, _ in last]


def absence(found: Figure, pattern: Pattern) -> list[str]:
    """A key's event, and the silence behind it."""
    spec = pattern.absence
    assert spec is not None
    begin = found.box("first", pattern.on, f"when {pattern.when.text}" if pattern.when.reads else "any event", shape="source")
    silence = found.box("silence", f"nothing for {interval_text(spec.time)}", "again and again" if spec.each else "", shape="not")
    found.arrow(begin, silence)
    if spec.expect is not None:
        found.box("expect", spec.expect, "keys that are expected", shape="source")
        found.arrow("expect", silence, "from its insert on")
    return [silence]


def _limits(spec: SequenceSpec) -> list[str]:
    lines = []
    if spec.within is not None:
        lines.append(f"within {interval_text(spec.within)}")
    if spec.gap is not None:
        lines.append(f"each within {interval_text(spec.gap)} of the one before")
    if spec.having is not None:
        lines.append(f"having {spec.having.text}")
    after = spec.after if spec.skip_to is None else f"{spec.after} {spec.skip_to}"
    return [*lines, f"after a match: {after.replace('_', ' ')}"]


Ends = list[tuple[str, bool]]
"""Boxes from which the next step goes on, and whether it does so around a step that may be left out."""


def _row(found: Figure, steps: tuple[Step, ...], ends: Ends, *, beginning: bool = False) -> Ends:
    for step in steps:
        first = beginning
        beginning = beginning and step.optional
        inside = _step(found, step, ends, first=first)
        ends = [*inside, *((name, True) for name, _ in ends if step.optional)]
    return ends


def _step(found: Figure, step: Step, ends: Ends, *, first: bool) -> Ends:
    text = "" if first else _WORDS[step.contiguity]
    if step.arms:
        boxes = [_arm(found, step, arm) for arm in step.arms]
        for box in boxes:
            _join(found, ends, box, text)
        return [(box, False) for box in boxes]
    if step.any_order:
        out: Ends = []
        for inner in step.steps:
            out += _step(found, inner, ends, first=first)
        return out
    inside = _row(found, step.steps, ends, beginning=first)
    if step.loops:
        head = next(step.names())
        for name, _ in inside:
            found.arrow(name, f"step {head}", f"{step.name} {_times(step)}", dashed=True)
    return inside


def _join(found: Figure, ends: Ends, box: str, text: str) -> None:
    for name, around in ends:
        found.arrow(name, box, text, dashed=around)


def _arm(found: Figure, step: Step, arm: Arm) -> str:
    when = f"when {arm.when.text}" if arm.when is not None else "any event"
    name = f"no {arm.name}" if step.negated else f"{arm.name} {_times(step)}".rstrip()
    more = [f"until {step.until.when.text}"] if step.until is not None else []
    more += [f"each within {interval_text(step.gap)}"] if step.gap is not None else []
    role = f"on {arm.on}" + (f" by {', '.join(arm.by.fields)}" if arm.by.fields else "")
    return found.box(f"step {arm.name}", name, role, when, *more, shape="not" if step.negated else "round")


def _times(step: Step) -> str:
    if step.least == step.most == 1:
        return "(optional)" if step.optional else ""
    most = " or more" if step.most is None else f" to {step.most}" if step.most != step.least else ""
    times = f"{step.least}{most}"
    return f"× {times}{', optional' if step.optional else ''}{', greedy' if step.greedy else ''}"
