"""A story in plain words, for people."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dataflows.batches.batch import AFTER_ALL, BEFORE_ALL
from dataflows.tracing.attempts import Attempt, Miss, Progress, Taken
from dataflows.tracing.trace import Story
from models.application.resolved.application import Application
from models.events.columns import column_types
from models.events.evidence import Evidence
from models.expressions.blockers import said
from models.expressions.expression import Explanation
from models.expressions.text import time_text, to_text
from models.values.types import Kind

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d(?:\.\d+)?)Z")


def chosen(story: Story, at: int | None, most: int) -> list[Attempt]:
    """The attempts to tell of: those under way at a time, or those that came furthest, in order."""
    attempts = story.attempts
    if at is not None:
        there = [attempt for attempt in attempts if attempt.began <= at <= attempt.ended]
        before = [attempt for attempt in attempts if attempt.began <= at]
        attempts = there or before[-1:]
    if len(attempts) > most:
        places = sorted(range(len(attempts)), key=lambda place: (_distance(attempts[place]), -place))[:most]
        attempts = [attempts[place] for place in sorted(places)]
    return attempts


def told(application: Application, story: Story, attempts: Sequence[Attempt], *, trees: bool) -> Iterator[str]:
    """Lines about a key: each attempt, late events, and who holds back what is not decided."""
    pattern = story.pattern
    flags = sum(attempt.flag is not None for attempt in story.attempts)
    shown = "" if len(attempts) == len(story.attempts) else f"; {len(attempts):,} of them follow"
    entity = ",".join(pattern.by.entity)
    who = f"{entity} {story.key}" if entity else "all events"
    counts = f"{_many(story.events, 'event')}, {_many(len(story.attempts), 'attempt')}, {_many(flags, 'flag')}"
    yield f"{pattern.name}, {who}: {counts}{shown}"
    if not story.attempts:
        yield f"  {_nothing(story, application)}"
    for attempt in attempts:
        yield f"  {day(attempt.began)}  {headline(attempt)}"
        yield from details(application, attempt, trees=trees)
    for late, _ in story.late:
        behind = f"its time {time_text(late.time)} is behind the bound {time_text(late.bound)}"
        yield f"  late ({late.reason}): {late.stream} {late.topic} partition {late.partition}, offset {late.offset}: {behind}"
    if story.holder is not None and story.bound != BEFORE_ALL:
        waits = f"; {_many(story.waiting, 'row')} wait for it" if story.waiting else ""
        yield f"  decided up to {time_text(story.bound)}: the bound is held by {story.holder.name}{waits}"
    elif story.bound != AFTER_ALL:
        holder = "" if story.holder is None else f": nothing came from {story.holder.name} yet"
        yield f"  nothing is decided{holder}"


def headline(attempt: Attempt) -> str:
    """An attempt in a line: ``probe 3 of 3; cash: 180.00 > 200 is false at 12:04:10; out of time at 12:10:00 (within 10m)``."""
    parts = [_progress(each) for each in attempt.progress if each.taken]
    enough = {each.step for each in attempt.progress if each.taken >= each.least}
    waiting = [name for name in attempt.waits if name not in enough]
    near = {miss.step: miss for miss in reversed(attempt.near)}
    how = None if attempt.ending is None else attempt.ending.how
    for name in (waiting or attempt.waits) if how != "strict" else ():
        if name in near:
            miss = near[name]
            parts.append(f"{name}: {'; '.join(each.words for each in miss.blockers)} at {time_text(miss.event.time)}")
        elif name in waiting and how in ("timeout", "open"):
            parts.append(f"{name} did not come")
    if attempt.ending is not None:
        parts.append(attempt.ending.words)
    return _short("; ".join(parts), attempt.began)


def _distance(attempt: Attempt) -> tuple[int, ...]:
    """How far an attempt was from a flag; those that fired are nearest."""
    if attempt.ending is None or attempt.flag is not None:
        return (0,)
    if attempt.progress:
        return 1, -sum(bool(each.taken) for each in attempt.progress), -len(attempt.taken)
    return 1, len(attempt.ending.blockers)


def _progress(each: Progress) -> str:
    if each.most == each.least:
        return f"{each.step} {each.taken} of {each.least}"
    if each.taken <= each.least:
        return f"{each.step} {each.taken} of {each.least}"
    return f"{each.step} {each.taken} (at least {each.least})"


def details(application: Application, attempt: Attempt, *, trees: bool) -> Iterator[str]:
    """What an attempt took, and what came near; ``trees``: with every part of their conditions."""
    for taken in attempt.taken:
        yield f"    {f'{taken.step}  ' if taken.step else ''}{_event(application, taken.event, attempt.began)}"
        if trees and taken.tree is not None:
            yield from (f"      {line}" for line in tree(taken.tree))
    for miss in attempt.near:
        yield f"    not {miss.step}  {_event(application, miss.event, attempt.began)}"
        yield from _why(miss, trees=trees)
    if attempt.others:
        yield f"    and {_many(attempt.others, 'other way')} to go on that came less far"


def _why(miss: Miss | Taken, *, trees: bool) -> Iterator[str]:
    if trees and miss.tree is not None:
        yield from (f"      {line}" for line in tree(miss.tree))
    elif isinstance(miss, Miss):
        yield from (f"      {each.expression}: {each.words}" for each in miss.blockers)


def tree(node: Explanation, depth: int = 0) -> Iterator[str]:
    """A condition's tree with the value of every part that is no literal."""
    value = said(node.value) if node.type.kind is Kind.BOOL else "null" if node.value is None else to_text(node.type, node.value)
    yield f"{'  ' * depth}{' '.join(node.text.split())} = {value}"
    for part in node.parts:
        yield from tree(part, depth + 1)


def _event(application: Application, event: Evidence, began: int) -> str:
    types = column_types(application, application.stream(event.on))
    fields = ", ".join(
        f"{name} {to_text(types[name], value)}" for name, value in event.fields.items() if value is not None and name in types
    )
    return f"{_short(time_text(event.time), began)} {event.on} {event.id}: {fields}"


def _nothing(story: Story, application: Application) -> str:
    pattern = story.pattern
    below = [name for name in pattern.streams if name in application.patterns]
    if below:
        same = all(application.patterns[name].by.entity == pattern.by.entity for name in below)
        key = f"--key {story.key}" if same else "--key …"
        return f"it stands on {', '.join(below)}, and no flag of it came; tocsin why --pattern {below[0]} {key} tells why"
    if story.events == 0:
        return "no event of this key was read"
    return "no event of this key began anything"


def day(time: int) -> str:
    """A time as people read it: the day, then the time of day in UTC."""
    return time_text(time).replace("T", " ").removesuffix("Z")


def _short(text: str, began: int) -> str:
    """Times of the attempt's own day without their day."""
    today = time_text(began)[:10]
    return _TIME.sub(lambda found: found[2] if found[1] == today else f"{found[1]} {found[2]}", text)


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
