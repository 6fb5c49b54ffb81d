"""Flows in a stage that this release does not know are parked and told of, never failed: a release that knows it takes them up."""

from __future__ import annotations

from collections.abc import Collection

import structlog
from sqlalchemy import Connection, update

from agents.ledger.schema import flow
from agents.policy import Policy

log = structlog.get_logger("tocsin.respond")


def park_unknown(connection: Connection, stages: Collection[str], now: int) -> int:
    """Mark open flows of other stages; how many there are."""
    unknown = update(flow).where(flow.c.open, flow.c.stage.not_in(stages), flow.c.parked == "").values(
        parked="unknown stage", updated_at=now
    )  # fmt: skip
    found = connection.execute(unknown).rowcount
    if found:
        log.error("flows_parked", count=found, reason="unknown stage", known=sorted(stages))
    return found


def take_up(connection: Connection, policy: Policy, stages: Collection[str], now: int) -> int:
    """Flows parked by another release whose stage and responder this one has; how many there were."""
    names = [*policy.respond.responders]
    known = update(flow).where(flow.c.open, flow.c.parked != "", flow.c.stage.in_(stages), flow.c.responder.in_(names))
    return connection.execute(known.values(parked="", updated_at=now)).rowcount
