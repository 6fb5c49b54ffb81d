"""Deliveries as people look after them: what is on its way, what failed, trying again, endpoints on and off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select, update

from agents.audit.chain import Entry, append
from agents.effects.endpoints import switch
from agents.ledger.schema import attempt, effect, endpoint
from models.events.decision import LIVE
from models.expressions.text import time_text

STATES = ("waiting", "ready", "done", "dead", "cancelled", "parked")
RETRIED = ("dead", "parked")
"""States from which an effect can be tried again."""
_SHOWN = (
    "key",
    "decision_id",
    "flag_id",
    "responder",
    "action",
    "kind",
    "target",
    "state",
    "attempts",
    "status",
    "error",
    "undoes",
)


def deliveries(
    connection: Connection,
    *,
    state: str = "",
    target: str = "",
    flag: str = "",
    most: int = 100,
    after: tuple[int, str] | None = None,
) -> list[dict[str, Any]]:
    """Effects of live decisions, the newest first; ``after``: created_at (microseconds) and key of the last one seen."""
    wanted = [effect.c.runmode == LIVE]
    wanted += [effect.c.state == state] if state else []
    wanted += [effect.c.target == target] if target else []
    wanted += [effect.c.flag_id == flag] if flag else []
    if after is not None:
        wanted.append(or_(effect.c.created_at < after[0], and_(effect.c.created_at == after[0], effect.c.key < after[1])))
    order = effect.c.created_at.desc(), effect.c.key.desc()
    return [_shown(dict(row)) for row in connection.execute(select(effect).where(*wanted).order_by(*order).limit(most)).mappings()]


def delivery(connection: Connection, key: str) -> dict[str, Any] | None:
    """One effect with its attempts; None if there is none."""
    row = connection.execute(select(effect).where(effect.c.key == key, effect.c.runmode == LIVE)).mappings().one_or_none()
    if row is None:
        return None
    tries = connection.execute(select(attempt).where(attempt.c.effect_key == key).order_by(attempt.c.number)).mappings()
    return {**_shown(dict(row)), "tries": [_tried(dict(each)) for each in tries]}


def retry(connection: Connection, application: str, by: str, now: int, *, keys: Sequence[str] = (), target: str = "") -> list[str]:
    """Try dead or parked effects again, from the beginning of their schedule: these, or all of an endpoint; which they were.

    The key stays: a receiver that took one after all drops the repetition.
    """
    wanted = and_(effect.c.runmode == LIVE, effect.c.state.in_(RETRIED))
    chosen = and_(wanted, effect.c.key.in_(list(keys)) if keys else effect.c.target == target)
    fresh = {"state": "ready", "open": True, "due_at": now, "attempts": 0, "lease_until": 0, "error": ""}
    rows = connection.execute(update(effect).where(chosen).values(**fresh).returning(effect.c.key, effect.c.flag_id)).all()
    append(connection, application, [Entry("retry", row.key, row.flag_id, {"by": by}) for row in rows], now)
    return [row.key for row in rows]


def endpoints(connection: Connection, names: Sequence[str]) -> list[dict[str, Any]]:
    """These endpoints' states and how many of their effects are where."""
    known = {row["name"]: dict(row) for row in connection.execute(select(endpoint)).mappings()}
    counted: dict[str, dict[str, int]] = {}
    query = (
        select(effect.c.target, effect.c.state, func.count())
        .where(effect.c.runmode == LIVE)
        .group_by(effect.c.target, effect.c.state)
    )
    for target, state, count in connection.execute(query):
        counted.setdefault(target, {})[state] = count
    return [
        {
            "name": name, "state": known.get(name, {}).get("state", "enabled"), "reason": known.get(name, {}).get("reason", ""),
            "failing_since": _time(known.get(name, {}).get("failing_since")), "effects": counted.get(name, {}),
        }
        for name in sorted({*names, *known})
    ]  # fmt: skip


def turn(connection: Connection, name: str, on: bool, by: str, application: str, now: int) -> None:
    """Switch an endpoint on or off by hand."""
    switch(connection, name, on, f"switched {'on' if on else 'off'} by {by}", by, application, now)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    found = {name: row[name] for name in _SHOWN}
    return {**found, "created_at": _time(row["created_at"]), "due_at": _time(row["due_at"]) if row["open"] else None,
            "done_at": _time(row["done_at"])}  # fmt: skip


def _tried(row: dict[str, Any]) -> dict[str, Any]:
    return {"number": row["number"], "at": _time(row["at"]), "outcome": row["outcome"], "status": row["status"],
            "took_ms": row["took"] // 1000, "detail": row["detail"]}  # fmt: skip


def _time(value: int | None) -> str | None:
    return None if value is None else time_text(value)
