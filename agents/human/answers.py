"""People's answers: the first that is valid ends the flow; who comes later is told how it ended."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import Connection, update

from agents.audit.chain import Entry, append
from agents.flows.deciding import end_flow
from agents.human.tasks import ANSWERED, OPEN, find
from agents.ledger.claims import take_over
from agents.ledger.schema import flow, task
from agents.policy import Policy
from agents.tiers.outcome import Decide

_LONGEST_NOTE = 4_000


class NoTask(Exception):
    """There is no such task."""


class NotAnAnswer(Exception):
    """A verdict that the task does not offer, or too long a note."""


class Conflict(Exception):
    """The task has ended, or changed since it was seen; ``task`` is how it is now."""

    def __init__(self, task: dict[str, Any]) -> None:
        self.task = task
        ended = f"{task['state']} with {task['verdict']!r}" if task["state"] != OPEN else f"open in version {task['version']}"
        super().__init__(f"task {task['id']} is {ended}")


def answer(
    connection: Connection, policy: Policy, task_id: str, verdict: str, actor: str, now: int, *, version: int | None = None,
    note: str = "",
) -> str:  # fmt: skip
    """Decide a task's flow; the decision's id. ``version``: the task's as it was seen, None for whichever it has.

    Raises:
        NoTask, NotAnAnswer: for what cannot be answered so.
        Conflict: if another answer was first, nobody answered in time, or the task changed since.
    """
    found = _open(connection, task_id, version)
    offered = orjson.loads(found["verdicts"])
    if verdict not in offered:
        raise NotAnAnswer(f"verdict: expected one of {', '.join(offered)}; found {verdict[:40]!r}")
    _change(connection, found, state=ANSWERED, verdict=verdict, answered_by=actor, answered_at=now, note=_noted(note))
    row = take_over(connection, flow, found["flow_id"], owner=f"answer {task_id}")
    if row is None:
        raise Conflict(find(connection, task_id) or found)
    told = {"actor": actor, "note": bool(note), "task": task_id, "level": found["level"]}
    return end_flow(connection, policy, dict(row), Decide(verdict, "human", trail=told), now)


def assign(
    connection: Connection, policy: Policy, task_id: str, assignee: str, actor: str, now: int, *, version: int | None = None
) -> None:
    """Say who works on a task, "" for nobody; its time goes on.

    Raises:
        NoTask, Conflict: see ``answer``.
    """
    found = _open(connection, task_id, version)
    _change(connection, found, assignee=assignee)
    append(connection, policy.application, [_entry(found, assignee=assignee, actor=actor)], now)


def annotate(
    connection: Connection, policy: Policy, task_id: str, note: str, actor: str, now: int, *, version: int | None = None
) -> None:
    """Replace a task's note.

    Raises:
        NoTask, NotAnAnswer, Conflict: see ``answer``.
    """
    found = _open(connection, task_id, version)
    _change(connection, found, note=_noted(note))
    append(connection, policy.application, [_entry(found, noted=True, actor=actor)], now)


def _entry(found: dict[str, Any], **told: Any) -> Entry:
    return Entry("task", found["id"], found["flag_id"], told)


def _noted(note: str) -> str:
    if len(note) > _LONGEST_NOTE:
        raise NotAnAnswer(f"note: expected at most {_LONGEST_NOTE} characters; found {len(note)}")
    return note


def _open(connection: Connection, task_id: str, version: int | None) -> dict[str, Any]:
    found = find(connection, task_id)
    if found is None:
        raise NoTask(f"expected a task; found none with the id {task_id[:80]!r}")
    if found["state"] != OPEN or version not in (None, found["version"]):
        raise Conflict(found)
    return found


def _change(connection: Connection, found: dict[str, Any], **values: Any) -> None:
    """Change a task that is still as it was read; whoever changed it in between was first."""
    same = update(task).where(task.c.id == found["id"], task.c.state == OPEN, task.c.version == found["version"])
    if connection.execute(same.values(version=found["version"] + 1, **values)).rowcount != 1:
        raise Conflict(find(connection, found["id"]) or found)
