"""A story as plain data, for machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dataflows.batches.batch import AFTER_ALL, BEFORE_ALL
from dataflows.tracing.attempts import Attempt, Miss, Taken
from dataflows.tracing.trace import Story
from dataflows.tracing.words import headline
from models.application.resolved.application import Application
from models.events.columns import column_types
from models.events.evidence import Evidence
from models.expressions.blockers import Blocker
from models.expressions.expression import Explanation
from models.expressions.text import time_text, to_json


def plain(application: Application, story: Story, attempts: Sequence[Attempt]) -> dict[str, Any]:
    """Everything that ``words`` tells, and the trees of all conditions."""
    held = None if story.holder is None else {"by": story.holder.name, "bound": _time(story.holder.bound), "rows": story.waiting}
    late = [
        {"stream": late.stream, "reason": late.reason, "topic": late.topic, "partition": late.partition, "offset": late.offset,
         "time": _time(late.time), "bound": _time(late.bound)}
        for late, _ in story.late
    ]  # fmt: skip
    return {
        "pattern": story.pattern.name, "key": story.key, "events": story.events, "attempts": len(story.attempts),
        "flags": sum(attempt.flag is not None for attempt in story.attempts), "decided_to": _time(story.bound), "held": held,
        "late": late, "shown": [_attempt(application, attempt) for attempt in attempts],
    }  # fmt: skip


def _attempt(application: Application, attempt: Attempt) -> dict[str, Any]:
    ending = attempt.ending
    steps = [
        {"step": each.step, "taken": each.taken, "least": each.least, "most": each.most, "optional": each.optional}
        for each in attempt.progress
    ]
    ended = None if ending is None else {
        "how": ending.how, "time": None if ending.time is None else _time(ending.time), "words": ending.words,
        "because": [_blocker(each) for each in ending.blockers],
    }  # fmt: skip
    return {
        "began": _time(attempt.began), "words": headline(attempt), "steps": steps,
        "events": [_taken(application, each) for each in attempt.taken], "waited_for": attempt.waits,
        "near": [_miss(application, each) for each in attempt.near], "ended": ended, "other_ways": attempt.others,
        "flag": attempt.flag,
    }  # fmt: skip


def _taken(application: Application, taken: Taken) -> dict[str, Any]:
    return {"step": taken.step or None, **_event(application, taken.event), "condition": _tree(taken.tree)}


def _miss(application: Application, miss: Miss) -> dict[str, Any]:
    because = [_blocker(each) for each in miss.blockers]
    return {"step": miss.step, **_event(application, miss.event), "because": because, "condition": _tree(miss.tree)}


def _event(application: Application, event: Evidence) -> dict[str, Any]:
    types = column_types(application, application.stream(event.on))
    fields = {name: to_json(types[name], value) for name, value in event.fields.items() if name in types}
    place = {"topic": event.topic, "partition": event.partition, "offset": event.offset}
    return {"id": event.id, "on": event.on, "time": _time(event.time), **place, "fields": fields}


def _blocker(each: Blocker) -> dict[str, Any]:
    return {"expression": each.expression, "words": each.words, "value": each.value}


def _tree(node: Explanation | None) -> dict[str, Any] | None:
    if node is None:
        return None
    parts = [_tree(part) for part in node.parts]
    return {"expression": " ".join(node.text.split()), "value": to_json(node.type, node.value), "parts": parts}


def _time(time: int) -> str | None:
    return None if time in (BEFORE_ALL, AFTER_ALL) else time_text(time)
