"""What becomes of an effect after an attempt: done, tried again, dead or parked; in one transaction with all that follows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from sqlalchemy import Connection, bindparam, insert, select, update

from agents.audit.chain import Entry, append
from agents.effects.endpoints import note
from agents.effects.outcome import Outcome
from agents.effects.saga import NOTIFY, advance, compensate
from agents.effects.schedule import next_attempt
from agents.ledger.claims import held
from agents.ledger.schema import attempt, effect

State = Literal["done", "ready", "dead", "parked"]
FOREVER = 60_000_000
"""How long a topic that does not take records is waited for, again and again."""


def settle(
    connection: Connection,
    row: Mapping[str, Any],
    outcome: Outcome,
    schedule: Sequence[int],
    application: str,
    now: int,
    took: int = 0,
) -> State:
    """Write an attempt's outcome; ``took`` in microseconds.

    Raises:
        Lost: if another process has the row by now: its attempt counts.
    """
    number = row["attempts"] + 1
    state, due = _fate(row, outcome, schedule, number, now)
    held(
        connection, effect, row, state=state, open=state == "ready", due_at=due, attempts=number, status=outcome.status,
        error="" if outcome.ok else f"{outcome.name}: {outcome.detail}".rstrip(": "),
        first_sent_at=row["first_sent_at"] or now, done_at=now if state == "done" else None,
    )  # fmt: skip
    connection.execute(
        insert(attempt).values(
            effect_key=row["key"],
            number=number,
            at=now,
            outcome=outcome.name,
            status=outcome.status,
            took=took,
            detail=outcome.detail,
        )
    )
    if row["kind"] != "topic":
        note(connection, row["target"], outcome, application, now)
    undos = _follow(connection, row, state, now)
    if state != "ready":
        append(connection, application, [told(row, state, outcome, number, undos)], now)
    return state


def settle_published(connection: Connection, rows: Sequence[Mapping[str, Any]], application: str, now: int) -> None:
    """Write that topics took these, all at once; rows that another process took meanwhile are its own."""
    mine = (
        (effect.c.key == bindparam("k")) & (effect.c.owner == bindparam("o")) & (effect.c.fence == bindparam("f")) & effect.c.open
    )
    done = update(effect).where(mine).values(
        state="done", open=False, done_at=now, attempts=effect.c.attempts + 1, lease_until=0, first_sent_at=now, error=""
    )  # fmt: skip
    connection.execute(done, [{"k": row["key"], "o": row["owner"], "f": row["fence"]} for row in rows])
    by_decision = {row["decision_id"]: row for row in rows}
    for decision_id in _waited_for(connection, by_decision):
        advance(connection, by_decision[decision_id], now)
    append(connection, application, [told(row, "done", Outcome("ok"), row["attempts"] + 1, ()) for row in rows], now)


def told(row: Mapping[str, Any], state: str, outcome: Outcome, attempts: int, undos: Sequence[str]) -> Entry:
    """The audit's record of an effect's end."""
    body = {
        "decision": row["decision_id"], "action": row["action"], "kind": row["kind"], "target": row["target"], "state": state,
        "outcome": outcome.name, "status": outcome.status, "attempts": attempts,
    }  # fmt: skip
    if row["undoes"]:
        body["undoes"] = row["undoes"]
    if undos:
        body["undone_by"] = list(undos)
    return Entry("effect", row["key"], row["flag_id"], body)


def _fate(row: Mapping[str, Any], outcome: Outcome, schedule: Sequence[int], number: int, now: int) -> tuple[State, int]:
    if outcome.ok:
        return "done", row["due_at"]
    due = None if outcome.final else next_attempt(schedule, number, row["key"], now, outcome.retry_after)
    if due is None and row["kind"] == "topic" and outcome.name == "failed":
        due = now + FOREVER
    if due is not None:
        return "ready", due
    return ("parked" if row["undoes"] else "dead"), row["due_at"]


def _follow(connection: Connection, row: Mapping[str, Any], state: State, now: int) -> list[str]:
    if state == "done" or row["kind"] == NOTIFY:
        advance(connection, row, now)
        return []
    return compensate(connection, row, now) if state == "dead" else []


def _waited_for(connection: Connection, decisions: Collection[str]) -> list[str]:
    waiting = effect.c.decision_id.in_([each for each in decisions if each]) & (effect.c.state == "waiting")
    return list(connection.scalars(select(effect.c.decision_id).where(waiting).distinct()))
