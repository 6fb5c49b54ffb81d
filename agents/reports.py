"""What a ledger holds, told: decisions as they go out, and counts by tier, verdict and stage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
from sqlalchemy import Connection, and_, func, select

from agents.ledger.schema import decision, effect, flow, inbox
from models.events.decision import decision_event


def decisions_of(connection: Connection, runmode: str, application: str) -> Iterator[str]:
    """All decisions of a run mode as structured CloudEvents (JSON text), by time and id, effects as they stand now."""
    same = and_(inbox.c.runmode == decision.c.runmode, inbox.c.flag_id == decision.c.flag_id)
    columns = (decision.c.id, decision.c.body, inbox.c.subject, inbox.c.key, inbox.c.correlation_id, inbox.c.traceparent)
    query = select(*columns).select_from(decision.join(inbox, same)).where(decision.c.runmode == runmode)
    states = _states(connection, runmode)
    for row in connection.execute(query.order_by(inbox.c.time, decision.c.id)):
        body = orjson.loads(row.body)
        for action in body["actions"]:
            action["state"] = states.get(action["key"], action["state"])
        flag = {
            "subject": row.subject, "partitionkey": row.key, "correlationid": row.correlation_id, "traceparent": row.traceparent,
            "runmode": runmode,
        }  # fmt: skip
        yield orjson.dumps(decision_event(body, flag, application)).decode()


def tally(connection: Connection, runmode: str) -> dict[str, list[dict[str, Any]]]:
    """How many decisions by verdict and tier, how many open flows by stage, how many effects by kind and state."""
    count = func.count().label("count")

    def counted(table: Any, *columns: Any, where: Any = None) -> list[dict[str, Any]]:
        query = select(*columns, count).where(table.c.runmode == runmode, *([] if where is None else [where])).group_by(*columns)
        return [dict(row) for row in connection.execute(query.order_by(count.desc(), *columns)).mappings()]

    return {
        "decisions": counted(decision, decision.c.verdict, decision.c.tier),
        "open": counted(flow, flow.c.stage, where=flow.c.open),
        "effects": counted(effect, effect.c.kind, effect.c.state),
    }


def _states(connection: Connection, runmode: str) -> dict[str, str]:
    query = select(effect.c.key, effect.c.state).where(effect.c.runmode == runmode)
    return {row.key: row.state for row in connection.execute(query)}
