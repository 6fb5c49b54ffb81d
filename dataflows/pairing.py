"""Found flags against expected ones: paired off one to one in any order, and what differs in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from models.application.resolved.application import Application
from models.application.tests import Expect, Test
from models.expressions.text import interval_text, time_text


class Refs:
    """Event ids back to the references of a test's lines, by their place."""

    def __init__(self, test: Test, application: Application) -> None:
        self.application = application
        self.by_place: dict[tuple[str, int], str] = {}
        counts: dict[str, int] = {}
        for line in test.given:
            if line.source and not line.dead:
                number = counts.get(line.source, 0)
                self.by_place[line.source, number] = line.ref
                counts[line.source] = number + 1

    def of(self, flag: Mapping[str, Any]) -> list[str]:
        """The references of a flag's evidence, in order."""
        return [self.one(event["on"], event["id"], event["offset"]) for event in flag["data"]["evidence"]]

    def one(self, on: str, id_: str, offset: int) -> str:
        """The reference of an event: of a flag that of its completing event (without one its id), of a rollup's row its id."""
        below = self.application.below_flags(on)
        return id_ if below.rollup or offset < 0 else self.by_place[below.name, offset]


def differences(test: Test, found: Sequence[dict[str, Any]], refs: Refs) -> Iterator[str]:
    """What differs, after every expected flag has got a found one where that is possible; near misses are told together.

    Each found flag holds ``_time`` (microseconds), ``_kind``, ``_steps`` (references) and ``_pattern`` beside what a flag holds.
    """
    pairs: dict[int, int] = {}
    for index in range(len(test.expect)):
        _pair(index, test, found, refs, pairs, set())
    paired = set(pairs.values())
    left = [flag for place, flag in enumerate(found) if place not in pairs]
    for index, expect in enumerate(test.expect):
        if index not in paired:
            yield from _missing(test, expect, left, refs)
    for flag in left:
        yield f"found, not expected: {_shown(test, flag, refs)}"


def _missing(test: Test, expect: Expect, left: list[dict[str, Any]], refs: Refs) -> Iterator[str]:
    """An expected flag without its like; the nearest of those left over, which is taken, says what differs."""
    yield f"expected, not found: {expect.shown}"
    wrong = {place: _misfits(test, expect, flag, refs) for place, flag in enumerate(left)}
    near = [place for place, misfits in wrong.items() if "pattern" not in misfits and len(misfits) <= max(1, _said(expect) - 1)]
    if near:
        place = min(near, key=lambda place: len(wrong[place]))
        yield f"  the nearest found: {_shown(test, left.pop(place), refs)}"
        yield from (f"    {name}: expected {wanted}; found {was}" for name, (wanted, was) in wrong[place].items())


def _said(expect: Expect) -> int:
    """How much an expectation says."""
    return sum(value is not None for value in (expect.key, expect.time, expect.events, expect.steps, expect.data))


def _shown(test: Test, flag: Mapping[str, Any], refs: Refs) -> str:
    events = ", ".join(refs.of(flag))
    title = flag["data"]["pattern"]["title"]
    kind = "" if flag["_kind"] == "match" else f" ({flag['_kind']})"
    return f"{flag['_pattern']}{kind} of {flag['partitionkey']!r} at {_at(test, flag['_time'])}, events [{events}]: {title}"


def _at(test: Test, time: int) -> str:
    return f"{interval_text(time - test.start)} ({time_text(time)})"


def _pair(index: int, test: Test, found: Sequence[dict[str, Any]], refs: Refs, pairs: dict[int, int], tried: set[int]) -> bool:
    """An augmenting path: give an expected flag a found one, moving others where needed."""
    for place, flag in enumerate(found):
        if place in tried or _misfits(test, test.expect[index], flag, refs):
            continue
        tried.add(place)
        if place not in pairs or _pair(pairs[place], test, found, refs, pairs, tried):
            pairs[place] = index
            return True
    return False


def _misfits(test: Test, expect: Expect, flag: Mapping[str, Any], refs: Refs) -> dict[str, tuple[object, object]]:
    """What of an expected flag a found one does not meet: the expected and the found value of each."""
    found: dict[str, tuple[object, object]] = {}
    for name, wanted, was in (
        ("pattern", expect.pattern, flag["_pattern"]),
        ("kind", expect.kind, flag["_kind"]),
        ("key", expect.key, flag["partitionkey"]),
        ("events", expect.events, refs.of(flag)),
        ("steps", expect.steps, flag["_steps"]),
    ):
        if wanted is not None and wanted != was:
            found[name] = (wanted, was)
    if expect.time is not None and expect.time != flag["_time"]:
        found["at"] = (_at(test, expect.time), _at(test, flag["_time"]))
    if expect.data is not None:
        found.update(_data_misfits("data", flag["data"], expect.data))
    return found


def _data_misfits(name: str, whole: Any, part: Any) -> dict[str, tuple[object, object]]:
    """Where a subset does not fit, down to the keys that differ."""
    if isinstance(part, dict) and isinstance(whole, dict):
        found: dict[str, tuple[object, object]] = {}
        for key, value in part.items():
            if key not in whole:
                found[f"{name}.{key}"] = (value, "nothing")
            else:
                found.update(_data_misfits(f"{name}.{key}", whole[key], value))
        return found
    return {} if _equal(whole, part) else {name: (part, whole)}


def _equal(whole: Any, part: Any) -> bool:
    """Whether a value is as expected; scalars compare as text, since YAML does not say their type here."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and not _data_misfits("", whole, part)
    if isinstance(part, list):
        return isinstance(whole, list) and len(whole) == len(part) and all(map(_equal, whole, part))
    if isinstance(whole, bool):
        return bool(part == str(whole).lower())
    if isinstance(whole, int | float) and part is not None:
        try:
            return bool(float(part) == float(whole))
        except ValueError:
            return False
    return bool(part == whole)
