"""Random patterns and events, as plain data for the reference and as application files for the engine."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.dataflows.sequences.reference import Condition, Event

_TIMES = [(1, 1), (1, 1), (1, 1), (2, 2), (1, None), (2, None), (1, 2), (2, 3)]
_WORDS = ["strict", "relaxed", "relaxed", "any"]


@st.composite
def conditions(draw: st.DrawFn, before: list[str], own: str | None) -> Condition:
    """A condition, now and then with a look-back."""
    names = draw(st.sampled_from(["a", "b", "c", "ab", "bc", "abc", "a", "b", "c"]))
    steps = [*before, *([own] if own else [])]
    if not steps or draw(st.integers(0, 3)):
        return Condition(names)
    kind = draw(st.sampled_from(["ge_last", "eq_first", "nth", "fewer", "sum", "max", "avg", "new"]))
    number = {"nth": 1, "fewer": 2, "sum": 6}.get(kind, 0)
    return Condition(names, (kind, draw(st.sampled_from(steps)), number))


@st.composite
def single(draw: st.DrawFn, name: str, before: list[str]) -> dict[str, Any]:
    """A step that takes events."""
    times = draw(st.sampled_from(_TIMES))
    step: dict[str, Any] = {"name": name, "when": draw(conditions(before, name if times[1] != 1 else None)), "times": times}
    step["contiguity"] = draw(st.sampled_from(_WORDS))
    if draw(st.integers(0, 3)) == 0:
        step["optional"] = True
    if times[1] != 1:
        step["loop"] = draw(st.sampled_from(_WORDS))
        if draw(st.booleans()):
            step["greedy"] = False
        if draw(st.integers(0, 3)) == 0:
            step["until"] = draw(conditions([*before], name))
        if draw(st.integers(0, 4)) == 0:
            step["gap"] = draw(st.integers(1, 4))
    return step


@st.composite
def patterns(draw: st.DrawFn) -> dict[str, Any]:
    """A whole pattern that ``check`` accepts."""
    steps: list[dict[str, Any]] = []
    before: list[str] = []
    within = draw(st.sampled_from([None, 3, 6, {"gap": 2}, {"gap": 4}]))
    for place in range(draw(st.integers(1, 3))):
        if steps and not steps[-1].get("optional") and draw(st.integers(0, 4)) == 0:
            steps.append(_not(draw(conditions(before, None)), f"n{place}", draw(st.sampled_from(["strict", "relaxed", "relaxed"]))))
        if draw(st.integers(0, 3)) == 0:
            group = draw(groups(f"g{place}", before))
            steps.append(group)
            before += [step["name"] for step in group["group"] if not step.get("not")]
        else:
            steps.append(draw(single(f"s{place}", before)))
            before.append(f"s{place}")
    if within is not None and not steps[-1].get("optional") and draw(st.integers(0, 2)) == 0:
        steps.append(_not(draw(conditions(before, None)), "last", draw(st.sampled_from(["strict", "relaxed", "relaxed"]))))
    _legal(steps)
    pattern: dict[str, Any] = {"sequence": steps, "after_match": draw(after_match(before))}
    if within is not None:
        pattern["within"] = within
        if draw(st.integers(0, 2)) == 0:
            pattern["on_timeout"] = True
    if draw(st.integers(0, 2)) == 0:
        pattern["emit"] = "ordered"
    return pattern


@st.composite
def groups(draw: st.DrawFn, name: str, before: list[str]) -> dict[str, Any]:
    """A group of one to three steps."""
    inner: list[dict[str, Any]] = []
    known = [*before]
    for place in range(draw(st.integers(1, 2))):
        step = draw(single(f"{name}{place}", known))
        if step["times"][1] is None or step["times"][0] > 1:
            step["times"] = draw(st.sampled_from([(1, 1), (1, 2)]))
            if step["times"] == (1, 1):
                for key in ("loop", "greedy", "until", "gap"):
                    step.pop(key, None)
        inner.append(step)
        known.append(step["name"])
    if len(inner) == 2 and not inner[0].get("optional") and draw(st.integers(0, 4)) == 0:
        inner.insert(
            1, _not(draw(conditions([*before, inner[0]["name"]], None)), f"{name}n", draw(st.sampled_from(["strict", "relaxed"])))
        )
    group: dict[str, Any] = {"name": name, "group": inner, "times": draw(st.sampled_from([(1, 1), (1, None), (1, 2), (2, 2)]))}
    group["contiguity"] = draw(st.sampled_from(_WORDS))
    if all(step.get("optional") or step.get("not") for step in inner):
        inner[0].pop("optional", None)
    if draw(st.integers(0, 3)) == 0:
        group["optional"] = True
    if group["times"][1] != 1:
        group["loop"] = draw(st.sampled_from(_WORDS))
        if draw(st.integers(0, 3)) == 0:
            group["until"] = draw(conditions(before, None))
    return group


@st.composite
def after_match(draw: st.DrawFn, names: list[str]) -> Any:
    """A skip strategy."""
    name = draw(st.sampled_from(names))
    return draw(st.sampled_from(["none", "none", "past_last", "to_next", {"to_first": name}, {"to_last": name}]))


@st.composite
def streams(draw: st.DrawFn, most: int = 7) -> list[Event]:
    """A few events in order; some at one time."""
    time, found = 0, []
    for place in range(draw(st.integers(1, most))):
        time += draw(st.sampled_from([0, 1, 1, 1, 2, 4]))
        name = draw(st.sampled_from(["a", "a", "b", "b", "c", "x"]))
        found.append(Event(place, time, name, draw(st.sampled_from([None, 1, 2, 2, 3, 4]))))
    return found


def _not(when: Condition, name: str, contiguity: str) -> dict[str, Any]:
    return {"name": name, "when": when, "not": True, "contiguity": contiguity}


def _legal(steps: list[dict[str, Any]]) -> None:
    """Take out what ``check`` refuses: greedy on the last step, a strict not before optional steps only."""
    if "group" not in steps[-1]:
        steps[-1].pop("greedy", None)
    else:
        for step in steps[-1]["group"]:
            step.pop("greedy", None)
    for place, step in enumerate(steps):
        if (
            step.get("not")
            and place < len(steps) - 1
            and all(each.get("optional") or each.get("not") for each in steps[place + 1 :])
        ):
            step["contiguity"] = "relaxed"


def written(pattern: dict[str, Any]) -> dict[str, Any]:
    """A pattern as it stands in an application file."""
    whole = {key: value for key, value in pattern.items() if key not in ("sequence", "within", "on_timeout", "having")}
    whole["sequence"] = [_written(step) for step in pattern["sequence"]]
    if isinstance(pattern.get("within"), dict):
        whole["within"] = {"gap": f"{pattern['within']['gap']}ms"}
    elif pattern.get("within") is not None:
        whole["within"] = f"{pattern['within']}ms"
    if pattern.get("on_timeout"):
        whole["on_timeout"] = "flag"
    return whole


def _written(step: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in step.items():
        if key in ("when", "until"):
            found[key] = value.sql()
        elif key == "times":
            if value != (1, 1):
                found[key] = str(value[0]) if value[0] == value[1] else f"{value[0]}..{'' if value[1] is None else value[1]}"
        elif key == "gap":
            found[key] = f"{value}ms"
        elif key == "group":
            found[key] = [_written(inner) for inner in value]
        elif key != "name":
            found[key] = value
    return {step["name"]: found}
