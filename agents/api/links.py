"""Signed links: a page to answer one task without signing in. Looking changes nothing, so that a link's preview decides nothing."""

from __future__ import annotations

import html
import json
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from agents.api.context import PLAIN, Context, Here, Id
from agents.human.answers import Conflict, NotAnAnswer, NoTask, answer
from agents.human.links import BadLink, Grant
from agents.human.tasks import OPEN, find
from models.expressions.text import time_text

links = APIRouter(include_in_schema=False)
Token = Annotated[str, Query(max_length=1000, pattern=PLAIN)]
_MOST = 8_192
_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer", "cache-control": "no-store", "x-content-type-options": "nosniff",
}  # fmt: skip


@links.get("/tasks/{task_id}")
async def show(here: Here, task_id: Id, token: Token = "") -> HTMLResponse:
    """The task with a button for each verdict."""
    granted = _granted(here, task_id, token)
    if isinstance(granted, str):
        return _page(403, "This link opens nothing", _said(granted))
    row = await here.ledger.read(lambda connection: find(connection, task_id))
    if row is None:
        return _page(404, "No such task", "")
    return _page(200, "Answer", _form(row)) if row["state"] == OPEN else _page(409, "Already ended", _ended(row))


@links.post("/tasks/{task_id}")
async def decide(here: Here, request: Request, task_id: Id, token: Token = "") -> HTMLResponse:
    """The answer."""
    granted = _granted(here, task_id, token)
    if isinstance(granted, str):
        return _page(403, "This link opens nothing", _said(granted))
    given = parse_qs((await request.body())[:_MOST].decode("utf-8", "replace"), max_num_fields=8)
    verdict, note = (given.get(name, [""])[0].replace("\0", "") for name in ("verdict", "note"))

    def write(connection: Connection) -> str:
        return answer(connection, here.policy, task_id, verdict, f"link:{granted.team}", here.clock.now(), note=note)

    try:
        await here.ledger.run(write)
    except NoTask:
        return _page(404, "No such task", "")
    except NotAnAnswer as error:
        return _page(422, "No such answer", _said(str(error)))
    except Conflict as error:
        return _page(409, "Already ended", _ended(error.task))
    here.wake()
    return _page(200, "Thank you", _said(f"The task is answered with {verdict}."))


def _granted(here: Context, task_id: str, token: str) -> Grant | str:
    """What the token allows, or why nothing."""
    if here.links is None:
        return "links are not in use here"
    try:
        return here.links.read(token, task_id, here.clock.now())
    except BadLink as error:
        return str(error)


def _form(row: dict[str, Any]) -> str:
    due = "" if row["due_at"] is None else f" by {time_text(row['due_at'])}"
    buttons = "".join(
        f'<button name="verdict" value="{html.escape(each)}">{html.escape(each)}</button> ' for each in json.loads(row["verdicts"])
    )
    what = _said(f"{row['pattern']}: {row['subject']}, {row['severity']}, to be answered{due}.")
    return f'{what}<form method="post"><p><label>Note <input name="note" maxlength="4000"></label></p><p>{buttons}</p></form>'


def _ended(row: dict[str, Any]) -> str:
    return _said(f"It is {row['state']}: {row['verdict']}, by {row['answered_by'] or 'nobody'}.")


def _said(text: str) -> str:
    return f"<p>{html.escape(text)}</p>"


def _page(status: int, title: str, body: str) -> HTMLResponse:
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    return HTMLResponse(f"{head}<title>{title}</title><h1>{title}</h1>{body}</html>", status, headers=_HEADERS)
