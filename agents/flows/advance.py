"""What an outcome makes of a flow: the next stage, the same later, or its end; in the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import Connection

from agents.flows.deciding import end_flow
from agents.ledger.claims import held
from agents.ledger.schema import flow
from agents.policy import HUMAN, Policy, hands_over
from agents.tiers.default import by_default
from agents.tiers.outcome import Abstain, Decide, Outcome, Wait
from models.expressions.text import time_text


def advance(connection: Connection, policy: Policy, row: Mapping[str, Any], outcome: Outcome, now: int) -> bool:
    """Write an outcome for a flow that the caller holds; whether the flow has ended.

    Raises:
        Lost: if another process has it.
    """
    responder = policy.responder(row["responder"])
    assert responder is not None  # a flow of a responder that is no more is parked before any work
    if isinstance(outcome, Wait):
        state = row["state"] if outcome.state is None else orjson.dumps(outcome.state).decode()
        held(connection, flow, row, due_at=outcome.until, state=state, attempts=0, updated_at=now)
        return _along(connection, outcome)
    if isinstance(outcome, Decide) and not (hands_over(responder, outcome.verdict) and row["stage"] != HUMAN):
        end_flow(connection, policy, row, outcome, now)
        return True
    stage = HUMAN if isinstance(outcome, Decide) else policy.next_stage(responder, row["stage"])
    if stage is None and isinstance(outcome, Abstain):
        with_trail = {**row, "trail": _trail(row, outcome, now)}
        found = by_default(responder, outcome.reason)
        end_flow(connection, policy, with_trail, Decide(found.verdict, found.tier, along=outcome.along), now)
        return True
    held(
        connection, flow, row, stage=stage, due_at=now, deadline_at=None, state="{}", attempts=0, trail=_trail(row, outcome, now),
        updated_at=now,
    )  # fmt: skip
    return _along(connection, outcome)


def _along(connection: Connection, outcome: Outcome) -> bool:
    if outcome.along is not None:
        outcome.along(connection)
    return False


def _trail(row: Mapping[str, Any], outcome: Decide | Abstain, now: int) -> str:
    told = {"tier": row["stage"], "at": time_text(now), **outcome.trail}
    told |= {"outcome": "abstain", "reason": outcome.reason} if isinstance(outcome, Abstain) else {
        "outcome": "decide", "verdict": outcome.verdict}  # fmt: skip
    return orjson.dumps([*orjson.loads(row["trail"]), told]).decode()
