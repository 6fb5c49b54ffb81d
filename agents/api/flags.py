"""Flags and decisions, looked at."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import Connection, select

from agents.api.context import Here, Id, Most, Viewer, Word
from agents.api.pages import Cursor, Page, after, beyond, page
from agents.api.problems import Problem, responses
from agents.audit.story import Story, story
from agents.ledger.schema import decision, inbox
from models.events.decision import LIVE
from models.expressions.text import time_text

flags = APIRouter(prefix="/v1", tags=["flags and decisions"])


class DecisionRow(BaseModel):
    """A decision as it went out, with where its actions stand now."""

    id: str
    flag: str
    verdict: str
    tier: str
    decision: dict[str, Any]


@flags.get("/flags", responses=responses())
async def list_flags(
    here: Here,
    _: Viewer,
    pattern: Word = None,
    severity: Word = None,
    subject: Word = None,
    limit: Most = 50,
    cursor: Cursor = None,
) -> Page:
    """Flags as they came in, the newest first."""
    place = after(cursor)
    given = {inbox.c.pattern: pattern, inbox.c.severity: severity, inbox.c.subject: subject}
    wanted = [inbox.c.runmode == LIVE, *(column == value for column, value in given.items() if value is not None)]
    wanted += beyond(place, inbox.c.received_at, inbox.c.flag_id)
    query = select(inbox).where(*wanted).order_by(inbox.c.received_at.desc(), inbox.c.flag_id.desc()).limit(limit + 1)
    rows = await here.ledger.read(lambda connection: connection.execute(query).all())
    return page(rows, limit, lambda row: (row.received_at, row.flag_id), _flag)


@flags.get("/flags/{flag}", responses=responses(404))
async def show_flag(here: Here, _: Viewer, flag: Id) -> Story:
    """The whole way of a flag: itself, its routes, what each tier said, what was spent, its effects and their attempts."""
    found = await here.ledger.read(lambda connection: story(connection, flag))
    if found is None:
        raise Problem(404, "no such flag")
    return found


@flags.get("/decisions", responses=responses())
async def list_decisions(
    here: Here, _: Viewer, verdict: Word = None, tier: Word = None, responder: Word = None, limit: Most = 50, cursor: Cursor = None
) -> Page:
    """Decisions, the newest first."""
    place = after(cursor)
    given = {decision.c.verdict: verdict, decision.c.tier: tier, decision.c.responder: responder}
    wanted = [decision.c.runmode == LIVE, *(column == value for column, value in given.items() if value is not None)]
    wanted += beyond(place, decision.c.decided_at, decision.c.id)
    query = select(decision).where(*wanted).order_by(decision.c.decided_at.desc(), decision.c.id.desc()).limit(limit + 1)
    rows = await here.ledger.read(lambda connection: connection.execute(query).all())
    return page(rows, limit, lambda row: (row.decided_at, row.id), lambda row: _decision(row).model_dump())


@flags.get("/decisions/{decision_id}", responses=responses(404))
async def show_decision(here: Here, _: Viewer, decision_id: Id) -> DecisionRow:
    """One decision."""

    def look(connection: Connection) -> Any:
        return connection.execute(select(decision).where(decision.c.id == decision_id, decision.c.runmode == LIVE)).one_or_none()

    row = await here.ledger.read(look)
    if row is None:
        raise Problem(404, "no such decision")
    return _decision(row)


def _flag(row: Any) -> dict[str, Any]:
    return {
        "id": row.flag_id, "pattern": row.pattern, "kind": row.kind, "severity": row.severity, "priority": row.priority,
        "subject": row.subject, "time": time_text(row.time), "received_at": time_text(row.received_at),
    }  # fmt: skip


def _decision(row: Any) -> DecisionRow:
    body = json.loads(row.body) if row.body else {}
    return DecisionRow(id=row.id, flag=row.flag_id, verdict=row.verdict, tier=row.tier, decision=body)
