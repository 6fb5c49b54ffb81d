"""Tasks as rows: opened, handed on, warned of, ended; always in the transaction of the flow that they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import Connection, insert, select, update

from agents.ledger.schema import task
from models.application.respond.resolved import DEFAULT, ESCALATE, HumanTier, Responder
from models.events.ids import canonical_json, identifier

OPEN, ANSWERED, EXPIRED = "open", "answered", "expired"


def task_id(flow_id: str) -> str:
    """The id of a flow's task."""
    return identifier(canonical_json(["task", flow_id]))


def open_task(
    connection: Connection, flow: Mapping[str, Any], flag: Mapping[str, Any], responder: Responder, level: int, warn: int, due: int,
    now: int,
) -> None:  # fmt: skip
    """Put the question to a level's team."""
    assert responder.human is not None
    connection.execute(
        insert(task).values(
            id=task_id(flow["id"]), runmode=flow["runmode"], flow_id=flow["id"], flag_id=flow["flag_id"],
            responder=flow["responder"], pattern=flow["pattern"], subject=flow["subject"],
            severity=str(flag.get("severity") or "medium"), priority=flow["lane"], level=level + 1,
            team=responder.human.levels[level].to, verdicts=orjson.dumps(answers(responder)).decode(),
            context=orjson.dumps(_context(flow)).decode(), opened_at=now, warn_at=warn, due_at=due,
        )
    )  # fmt: skip


def hand_on(connection: Connection, flow_id: str, tier: HumanTier, level: int, warn: int, due: int) -> None:
    """Give an open task to another level's team; who had it has it no more."""
    _change(connection, flow_id, level=level + 1, team=tier.levels[level].to, assignee="", warned=False, warn_at=warn, due_at=due)


def warned(connection: Connection, flow_id: str) -> None:
    """Note that half of the time is over."""
    _change(connection, flow_id, warned=True)


def expire(connection: Connection, flow_id: str, verdict: str, now: int) -> None:
    """End an open task without an answer."""
    _change(connection, flow_id, state=EXPIRED, verdict=verdict, answered_at=now, reason="nobody answered in time")


def find(connection: Connection, task_id: str) -> dict[str, Any] | None:
    """A task's row, None if there is none."""
    row = connection.execute(select(task).where(task.c.id == task_id)).mappings().one_or_none()
    return None if row is None else dict(row)


def answers(responder: Responder) -> list[str]:
    """The verdicts that people may give: those listed, else all that the responder knows."""
    assert responder.human is not None
    if responder.human.verdicts:
        return [*responder.human.verdicts]
    known = [*responder.actions, responder.human.default, responder.default, *(rule.verdict for rule in responder.rules)]
    known += [] if responder.llm is None else responder.llm.verdicts
    return [verdict for verdict in dict.fromkeys(known) if verdict not in (DEFAULT, ESCALATE)]


def _change(connection: Connection, flow_id: str, **values: Any) -> None:
    mine = update(task).where(task.c.id == task_id(flow_id), task.c.state == OPEN)
    connection.execute(mine.values(version=task.c.version + 1, **values))


def _context(flow: Mapping[str, Any]) -> dict[str, Any]:
    """What a model made of the case, in masked form, for those who decide now."""
    trail = orjson.loads(flow["trail"])
    found = next((step for step in reversed(trail) if step.get("tier") == "llm" and "verdict" in step), None)
    return {} if found is None else {"suggested": found}
