"""The actions of one decision as a saga: each waits for those before it; if one fails for good, the done ones are taken back.

What is taken back goes in reverse order, one after another, each once: a compensation is an effect with a key of its own. One that
fails for good is parked for people, and those after it wait. Notifications are no steps: nothing waits for them beyond their first
attempt, and one that fails takes nothing back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping, select, update
from sqlalchemy.dialects import postgresql, sqlite

from agents.ledger.connect import POSTGRESQL
from agents.ledger.schema import effect
from models.events.decision import effect_key

NOTIFY = "notify"


def advance(connection: Connection, row: Mapping[str, Any], now: int) -> None:
    """Make ready what waited for a row that is settled."""
    rows = [each for each in _family(connection, row["decision_id"]) if (each["undoes"] is None) == (row["undoes"] is None)]
    ready = []
    for each in rows:
        if each["state"] == "waiting":
            ready.append(each["key"])
        if each["kind"] != NOTIFY and each["state"] != "done":
            break
    if ready:
        connection.execute(
            update(effect).where(effect.c.key.in_(ready), effect.c.state == "waiting").values(state="ready", due_at=now)
        )


def compensate(connection: Connection, failed: Mapping[str, Any], now: int) -> list[str]:
    """Cancel what waits and take back what is done; keys of the compensations in their order."""
    rows = [each for each in _family(connection, failed["decision_id"]) if each["undoes"] is None]
    waiting = [each["key"] for each in rows if each["state"] == "waiting"]
    if waiting:
        connection.execute(update(effect).where(effect.c.key.in_(waiting)).values(state="cancelled", open=False))
    done = [each for each in reversed(rows) if each["state"] == "done" and each["undo"]]
    undos = [_undo(each, seq, now) for seq, each in enumerate(done)]
    if undos:
        once = (postgresql if connection.dialect.name == POSTGRESQL else sqlite).insert(effect)
        connection.execute(once.on_conflict_do_nothing(), undos)
        advance(connection, undos[0], now)
    return [undo["key"] for undo in undos]


def _undo(done: RowMapping, seq: int, now: int) -> dict[str, Any]:
    wanted = json.loads(done["undo"])
    action = f"undo:{done['key']}"
    return {
        **{name: done[name] for name in ("runmode", "decision_id", "flag_id", "responder", "lane", "traceparent")},
        "key": effect_key(done["decision_id"], action, wanted["target"]), "action": action, "kind": wanted["kind"],
        "target": wanted["target"], "seq": seq, "undoes": done["key"], "state": "waiting", "open": True, "due_at": now,
        "created_at": now,
    }  # fmt: skip


def _family(connection: Connection, decision_id: str) -> list[RowMapping]:
    if not decision_id:
        return []
    return list(connection.execute(select(effect).where(effect.c.decision_id == decision_id).order_by(effect.c.seq)).mappings())
