"""The whole way of one flag: route, tiers, spend, people, decision, effects, as the ledger has it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Connection, Table, select

from agents.ledger.schema import attempt, audit, decision, effect, flow, inbox, llm_call, task
from models.events.decision import LIVE
from models.expressions.text import time_text


class Story(BaseModel):
    """What is known of a flag. ``flag`` is null once erased; ``answers``: one for each responder that it went to."""

    id: str
    received_at: str
    flag: dict[str, Any] | None
    answers: list[dict[str, Any]]
    open: list[dict[str, Any]]
    effects: list[dict[str, Any]]


def story(connection: Connection, flag: str, runmode: str = LIVE) -> Story | None:
    """A flag's story, None if the ledger does not know it."""
    found = connection.execute(select(inbox).where(inbox.c.flag_id == flag, inbox.c.runmode == runmode)).one_or_none()
    if found is None:
        return None
    rows = _rows(connection, decision, flag, runmode)
    return Story(
        id=flag, received_at=time_text(found.received_at), flag=json.loads(found.body) if found.body else None,
        answers=[_answer(connection, row) for row in rows],
        open=[_open(connection, row) for row in _rows(connection, flow, flag, runmode) if row["open"]],
        effects=[_effect(connection, row) for row in _rows(connection, effect, flag, runmode)],
    )  # fmt: skip


def _answer(connection: Connection, row: Mapping[str, Any]) -> dict[str, Any]:
    """One responder's decision with the trail of tiers that led to it."""
    kept = connection.scalar(select(audit.c.body).where(audit.c.kind == "decision", audit.c.ref == row["id"]))
    trail = json.loads(kept).get("trail", []) if kept else []
    return {
        "responder": row["responder"], "decision": row["id"], "verdict": row["verdict"], "tier": row["tier"],
        "decided_at": time_text(row["decided_at"]), "policy_version": row["policy_version"], "trail": trail,
        "details": json.loads(row["body"]) if row["body"] else {}, "calls": _calls(connection, row["id"]),
        "tasks": _tasks(connection, row["id"]),
    }  # fmt: skip


def _open(connection: Connection, row: Mapping[str, Any]) -> dict[str, Any]:
    """A responder that has not decided yet."""
    return {
        "responder": row["responder"], "stage": row["stage"], "due_at": time_text(row["due_at"]), "parked": row["parked"],
        "trail": json.loads(row["trail"]), "calls": _calls(connection, row["id"]), "tasks": _tasks(connection, row["id"]),
    }  # fmt: skip


def _calls(connection: Connection, flow_id: str) -> list[dict[str, Any]]:
    query = select(llm_call).where(llm_call.c.flow_id == flow_id).order_by(llm_call.c.number)
    return [
        {
            "model": row["model"], "purpose": row["purpose"], "outcome": row["outcome"] or row["state"], "cached": row["cached"],
            "tokens_in": row["tokens_in"], "tokens_out": row["tokens_out"], "cost_nano": row["cost_nano"],
            "currency": row["currency"], "prompt": row["prompt_sha"], "request": row["request_sha"],
            "response": row["response_sha"], "at": time_text(row["started_at"]),
        }
        for row in connection.execute(query).mappings()
    ]  # fmt: skip


def _tasks(connection: Connection, flow_id: str) -> list[dict[str, Any]]:
    query = select(task).where(task.c.flow_id == flow_id).order_by(task.c.opened_at)
    return [
        {
            "id": row["id"], "state": row["state"], "level": row["level"], "team": row["team"], "verdict": row["verdict"],
            "answered_by": row["answered_by"], "note": row["note"],
            "due": None if row["due_at"] is None else time_text(row["due_at"]),
        }
        for row in connection.execute(query).mappings()
    ]  # fmt: skip


def _effect(connection: Connection, row: Mapping[str, Any]) -> dict[str, Any]:
    tries = select(attempt).where(attempt.c.effect_key == row["key"]).order_by(attempt.c.number)
    return {
        "key": row["key"], "decision": row["decision_id"], "action": row["action"], "kind": row["kind"], "target": row["target"],
        "state": row["state"], "undoes": row["undoes"], "error": row["error"], "attempts": [
            {"at": time_text(each["at"]), "outcome": each["outcome"], "status": each["status"], "detail": each["detail"]}
            for each in connection.execute(tries).mappings()
        ],
    }  # fmt: skip


def _rows(connection: Connection, table: Table, flag: str, runmode: str) -> list[Mapping[str, Any]]:
    order = table.c.seq if "seq" in table.c else table.c.responder
    query = select(table).where(table.c.flag_id == flag, table.c.runmode == runmode).order_by(order)
    return [dict(row) for row in connection.execute(query).mappings()]
