"""Telling a team of its task: an effect for each of its endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, insert

from agents.human.links import Links
from agents.human.tasks import task_id
from agents.ledger.schema import effect
from models.application.respond.resolved import Respond
from models.events.decision import LIVE, effect_key
from models.expressions.text import time_text


@dataclass(frozen=True, slots=True)
class Notice:
    """What a team is told: of a new task, of one that was handed on to it, or that half of its time is over."""

    team: str
    level: int
    due: int
    early: bool = False

    @property
    def name(self) -> str:
        """As part of the effect's key: each notice once."""
        return f"task:{self.level}{':early' if self.early else ''}"


def notify(
    connection: Connection, respond: Respond, links: Links | None, flow: Mapping[str, Any], notice: Notice, now: int
) -> None:
    """Write the effects; a replay tells nobody."""
    if flow["runmode"] != LIVE:
        return
    id_ = task_id(flow["id"])
    body = {
        "id": id_, "flag": flow["flag_id"], "team": notice.team, "level": notice.level + 1, "due": time_text(notice.due),
        "early": notice.early,
    }  # fmt: skip
    if links is not None:
        body["link"] = links.link(id_, notice.team, notice.due)
    rows = [
        {
            "key": effect_key(id_, notice.name, endpoint), "runmode": LIVE, "decision_id": f"{id_}/{notice.name}",
            "flag_id": flow["flag_id"], "responder": flow["responder"], "action": f"notify:{notice.team}", "kind": "notify",
            "target": endpoint, "seq": 0, "lane": flow["lane"], "due_at": now, "created_at": now,
            "body": orjson.dumps({"task": body}).decode(), "traceparent": flow["traceparent"],
        }
        for endpoint in dict.fromkeys(respond.teams[notice.team].notify)
    ]  # fmt: skip
    if rows:
        connection.execute(insert(effect), rows)
