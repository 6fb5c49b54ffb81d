"""What steps may not say together, and what is worth a warning."""

from __future__ import annotations

from collections.abc import Sequence

from models.application.errors import Problems
from models.application.resolved.places import Position
from models.application.resolved.steps import SequenceSpec, Step


def check_steps(problems: Problems, spec: SequenceSpec, position: Position) -> None:
    """Report every construct that has no meaning, and warn of what is costly or surprising."""
    bounded = spec.within is not None or spec.gap is not None
    if spec.kind == "sequence":
        _check_row(problems, spec.steps, bounded=bounded, whole=True)
    else:
        for step in spec.walk():
            if step.any_order:
                _check_any_order(problems, step)
            elif step.steps:
                _check_row(problems, step.steps, bounded=bounded, whole=False)
    if not any(not step.negated for step in spec.walk() if step.arms):
        problems.add(position, "expected a step that takes an event; found only 'not' steps")
    _warn(problems, spec, position, bounded=bounded)


def _check_row(problems: Problems, steps: Sequence[Step], *, bounded: bool, whole: bool) -> None:
    for index, step in enumerate(steps):
        last = index == len(steps) - 1
        if step.negated:
            _check_not(problems, steps, index, bounded=bounded, whole=whole)
        elif step.repeat is not None and not last:
            _add(problems, step, "'repeat' is for a last 'not' step")
        if step.steps and step.any_order:
            _check_any_order(problems, step)
        elif step.steps:
            _check_row(problems, step.steps, bounded=bounded, whole=False)
            if step.loops and all(inner.optional or inner.negated for inner in step.steps):
                cure = "so it might never end; make one of them required"
                _add(problems, step, f"every step of the repeated group {step.name!r} is optional, {cure}")


def _check_not(problems: Problems, steps: Sequence[Step], index: int, *, bounded: bool, whole: bool) -> None:
    step, last = steps[index], index == len(steps) - 1
    before = next((other for other in reversed(steps[:index]) if not other.negated), None)
    if index == 0 and whole:
        cure = "to ask that something did not happen before, use a count feature: count = 0"
        _add(problems, step, f"'not' cannot be the first step; {cure}")
    elif before is not None and before.optional:
        cure = "put it before, or make that step required"
        _add(problems, step, f"'not' cannot stand after the optional step {before.name!r}; {cure}")
    if last and not whole:
        _add(problems, step, "'not' cannot be the last step of a group; put it behind the group")
    elif last and not bounded:
        _add(problems, step, "a last 'not' needs within, the time after which nothing came; found none")
    elif whole and not last and step.contiguity == "strict" and all(each.optional or each.negated for each in steps[index + 1 :]):
        _add(problems, step, "a strict 'not' before optional steps only is not decidable; make it the last step, or relaxed")
    if step.repeat is not None and not (last and whole):
        _add(problems, step, "'repeat' is for a last 'not' step")
    if step.contiguity == "any":
        _add(problems, step, "'not' is strict or relaxed; found any")


def _check_any_order(problems: Problems, step: Step) -> None:
    for inner in step.steps:
        if inner.negated and inner.contiguity != "relaxed":
            _add(problems, inner, "'not' in any order watches all the time; remove 'contiguity'")
        if inner.repeat is not None:
            _add(problems, inner, "'repeat' is for a last 'not' step")
        if inner.steps and not inner.any_order:
            _check_row(problems, inner.steps, bounded=True, whole=False)
        elif inner.steps:
            _check_any_order(problems, inner)
    if all(inner.negated or inner.optional for inner in step.steps):
        _add(problems, step, f"expected a required step in {step.name!r}; found only optional ones")


def _warn(problems: Problems, spec: SequenceSpec, position: Position, *, bounded: bool) -> None:
    def warn(text: str) -> None:
        problems.warnings.append(f"{position}: {text}")

    if spec.kind != "any" and not bounded:
        warn("no within: a match that began never runs out, so its state has no bound")
        if spec.ordered:
            warn("emit: ordered without within can hold flags for ever, behind an earlier match that never ends")
    last = spec.steps[-1]
    if spec.after == "past_last" and last.loops and not last.steps and not last.negated and last.most != last.least:
        warn(f"the last step {last.name!r} completes at every count from its least, so under past_last it stops at {last.least}")
    if spec.after == "none" and _branches(spec):
        warn("after_match: none with combinations can give a number of matches that grows with the square of the events")


def _branches(spec: SequenceSpec) -> bool:
    return any(step.contiguity == "any" or (step.loops and (step.loop == "any" or not step.greedy)) for step in spec.walk())


def _add(problems: Problems, step: Step, message: str) -> None:
    assert step.position is not None
    problems.add(step.position, message)
