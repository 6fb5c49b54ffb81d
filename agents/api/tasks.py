"""Tasks: looked at, answered, handed to somebody, noted on; each change names the version that it was made upon."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, ConfigDict, StringConstraints
from sqlalchemy import Connection, select

from agents.api.context import Analyst, Context, Here, Id, Line, Most, Viewer, Word
from agents.api.pages import Cursor, Page, after, beyond, page
from agents.api.problems import Problem, responses
from agents.human.answers import Conflict, NotAnAnswer, NoTask, annotate, answer, assign
from agents.human.tasks import OPEN, find
from agents.ledger.schema import task
from models.events.decision import LIVE
from models.expressions.text import time_text

tasks = APIRouter(prefix="/v1/tasks", tags=["tasks"])
Note = Annotated[str, StringConstraints(max_length=4000, pattern=r"^[^\x00]*$")]
IfMatch = Annotated[str | None, Header(max_length=40, description='The ETag that the task was seen with, such as "3".')]
_CHANGES = responses(404, 409, 412, 428)


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Answer(_Given):
    """A verdict that the task offers."""

    verdict: Line
    note: Note = ""


class Assignment(_Given):
    """Who works on it; empty for nobody."""

    assignee: Line


class Noted(_Given):
    """What is to be remembered."""

    note: Note


class Task(BaseModel):
    """A question to people."""

    id: str
    flag: str
    responder: str
    pattern: str
    subject: str
    severity: str
    priority: int
    state: str
    version: int
    level: int
    team: str
    assignee: str
    verdicts: list[str]
    context: dict[str, Any]
    opened_at: str
    due_at: str | None
    verdict: str
    answered_by: str
    note: str
    reason: str


class Answered(BaseModel):
    """The decision that an answer made."""

    decision: str
    task: Task


@tasks.get("", responses=responses())
async def list_tasks(here: Here, _: Viewer, state: Word = None, team: Word = None, limit: Most = 50, cursor: Cursor = None) -> Page:
    """Tasks, the newest first."""
    place = after(cursor)
    given = {task.c.state: state, task.c.team: team}
    wanted = [task.c.runmode == LIVE, *(column == value for column, value in given.items() if value is not None)]
    wanted += beyond(place, task.c.opened_at, task.c.id)
    query = select(task).where(*wanted).order_by(task.c.opened_at.desc(), task.c.id.desc()).limit(limit + 1)
    rows = await here.ledger.read(lambda connection: [dict(row) for row in connection.execute(query).mappings()])
    return page(rows, limit, lambda row: (row["opened_at"], row["id"]), lambda row: shown(row).model_dump())


@tasks.get("/{task_id}", responses=responses(404))
async def show_task(here: Here, _: Viewer, task_id: Id, response: Response) -> Task:
    """One task; its ETag is what a change names as If-Match."""
    return await _now(here, task_id, response)


@tasks.post("/{task_id}/answer", responses=_CHANGES)
async def answer_task(
    here: Here, caller: Analyst, task_id: Id, given: Answer, response: Response, if_match: IfMatch = None
) -> Answered:
    """Decide the flag. The first valid answer counts; later ones get 409 with the outcome."""
    version = _version(if_match)
    now = here.clock.now()
    made = await _changed(
        here, lambda c: answer(c, here.policy, task_id, given.verdict, caller.name, now, version=version, note=given.note)
    )
    return Answered(decision=made, task=await _now(here, task_id, response))


@tasks.post("/{task_id}/assign", responses=_CHANGES)
async def assign_task(
    here: Here, caller: Analyst, task_id: Id, given: Assignment, response: Response, if_match: IfMatch = None
) -> Task:
    """Say who works on it."""
    version, now = _version(if_match), here.clock.now()
    await _changed(here, lambda c: assign(c, here.policy, task_id, given.assignee, caller.name, now, version=version))
    return await _now(here, task_id, response)


@tasks.post("/{task_id}/note", responses=_CHANGES)
async def note_task(here: Here, caller: Analyst, task_id: Id, given: Noted, response: Response, if_match: IfMatch = None) -> Task:
    """Replace its note."""
    version, now = _version(if_match), here.clock.now()
    await _changed(here, lambda c: annotate(c, here.policy, task_id, given.note, caller.name, now, version=version))
    return await _now(here, task_id, response)


def shown(row: dict[str, Any]) -> Task:
    """A task's row as the API tells it."""
    same = {name: row[name] for name in Task.model_fields if name in row}
    return Task(**{
        **same, "flag": row["flag_id"], "verdicts": json.loads(row["verdicts"]), "context": json.loads(row["context"]),
        "opened_at": time_text(row["opened_at"]), "due_at": None if row["due_at"] is None else time_text(row["due_at"]),
    })  # fmt: skip


async def _now(here: Context, task_id: str, response: Response) -> Task:
    row = await here.ledger.read(lambda connection: find(connection, task_id))
    if row is None or row["runmode"] != LIVE:
        raise Problem(404, "no such task")
    response.headers["etag"] = f'"{row["version"]}"'
    return shown(row)


async def _changed(here: Context, change: Callable[[Connection], Any]) -> Any:
    """What a change gives.

    Raises:
        Problem: 404, 422; 409 once the task has ended, 412 when it changed since it was seen.
    """
    try:
        made = await here.ledger.run(change)
    except NoTask:
        raise Problem(404, "no such task") from None
    except NotAnAnswer as error:
        raise Problem(422, str(error)) from None
    except Conflict as error:
        ended = error.task["state"] != OPEN
        raise Problem(409 if ended else 412, str(error), current=shown(error.task).model_dump()) from None
    here.wake()
    return made


def _version(if_match: str | None) -> int:
    if if_match is None:
        raise Problem(428, "expected If-Match with the task's ETag, so that nobody overwrites what they have not seen")
    text = if_match.strip().removeprefix("W/").strip('"')
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise Problem(412, "If-Match: expected the task's ETag; this is none of its versions")
    return int(text)
