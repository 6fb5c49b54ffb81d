"""Effects that this process has claimed, with all that is needed to send them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, select, tuple_

from agents.effects.message import Message
from agents.ledger.claims import claim
from agents.ledger.schema import decision, effect, endpoint, inbox
from models.events.decision import LIVE

TOPIC = "topic"


@dataclass(frozen=True, slots=True)
class Work:
    """A claimed row; ``disabled``: why its endpoint takes nothing, else empty."""

    row: Mapping[str, Any]
    message: Message
    disabled: str = ""


def claimed_sends(
    connection: Connection, targets: Collection[str], *, owner: str, now: int, lease: int, most: int, lanes: int | None = None
) -> list[Work]:
    """At most ``most`` effects that go to these endpoints; ``lanes``: only of lanes up to this one."""
    wanted = and_(effect.c.kind != TOPIC, effect.c.target.in_(sorted(targets)))
    if lanes is not None:
        wanted = and_(wanted, effect.c.lane <= lanes)
    return _claimed(connection, wanted, owner, now, lease, most)


def claimed_topics(connection: Connection, *, owner: str, now: int, lease: int, most: int) -> list[Work]:
    """At most ``most`` effects that go to topics."""
    return _claimed(connection, effect.c.kind == TOPIC, owner, now, lease, most)


def _claimed(connection: Connection, wanted: Any, owner: str, now: int, lease: int, most: int) -> list[Work]:
    """Only live effects, and only those whose turn it is: replays leave nothing here to be sent."""
    ready = and_(effect.c.state == "ready", effect.c.runmode == LIVE, wanted)
    rows = [dict(row) for row in claim(connection, effect, owner=owner, now=now, lease=lease, most=most, where=ready)]
    if not rows:
        return []
    decisions = _decisions(connection, rows)
    flags = _flags(connection, rows)
    opened = _opened(connection, flags)
    off = _disabled(connection, {row["target"] for row in rows})
    return [
        Work(
            row, _message(row, decisions.get(row["decision_id"]), flags.get((row["runmode"], row["flag_id"]), {}), opened),
            off.get(row["target"], ""),
        )
        for row in rows
    ]  # fmt: skip


def _message(row: Mapping[str, Any], decided: Any, flag: Mapping[str, Any], opened: Mapping[str, str]) -> Message:
    body = json.loads(row["body"]) if row["body"] else {}
    found = {} if decided is None or not decided["body"] else json.loads(decided["body"])
    verdict = "" if decided is None else decided["verdict"]
    action = "answer" if body.get("task") else f"undo {verdict}" if row["undoes"] else verdict
    time = row["created_at"] if decided is None else decided["decided_at"]
    return Message(
        row["key"], action, time, found, flag, row["undoes"] or "", body.get("task", {}), row["traceparent"],
        opened.get(flag.get("dedupkey", ""), ""),
    )  # fmt: skip


def _decisions(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> dict[str, RowMapping]:
    ids = {row["decision_id"] for row in rows if row["decision_id"]}
    found = select(decision.c.id, decision.c.verdict, decision.c.body, decision.c.decided_at).where(decision.c.id.in_(ids))
    return {row["id"]: row for row in connection.execute(found).mappings()}


def _flags(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    ids = {(row["runmode"], row["flag_id"]) for row in rows}
    found = select(inbox.c.runmode, inbox.c.flag_id, inbox.c.body).where(tuple_(inbox.c.runmode, inbox.c.flag_id).in_(ids))
    return {(mode, id_): json.loads(body) for mode, id_, body in connection.execute(found) if body}


def _opened(connection: Connection, flags: Mapping[Any, dict[str, Any]]) -> dict[str, str]:
    """By dedupkey, the severity with which an episode began, for flags that did not begin it: receivers know it under that one."""
    keys = {str(flag["dedupkey"]) for flag in flags.values() if flag.get("dedupkey") not in (None, flag.get("id"))}
    if not keys:
        return {}
    first_last = inbox.c.time.desc(), inbox.c.flag_id
    episode = and_(inbox.c.dedupkey.in_(keys), inbox.c.kind != "cleared", inbox.c.runmode == LIVE)
    found = connection.execute(select(inbox.c.dedupkey, inbox.c.severity).where(episode).order_by(*first_last))
    return {row.dedupkey: row.severity for row in found}


def _disabled(connection: Connection, names: Collection[str]) -> dict[str, str]:
    found = select(endpoint.c.name, endpoint.c.reason).where(endpoint.c.name.in_(names), endpoint.c.state == "disabled")
    return {name: reason or "disabled" for name, reason in connection.execute(found)}
