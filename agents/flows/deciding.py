"""A decision with its effects and its audit record, as rows; and the end of a flow in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection, func, select

from agents.audit.chain import Entry, append
from agents.flows.effects import effect_rows
from agents.ledger.claims import held
from agents.ledger.killpoint import mark
from agents.ledger.rows import insert_rows
from agents.ledger.schema import decision as decision_table
from agents.ledger.schema import effect, flow, llm_call
from agents.ledger.writer import when_committed
from agents.policy import Policy
from agents.telemetry.decisions import observe
from agents.tiers.outcome import Decide
from models.application.respond.money import money_text
from models.application.respond.resolved import Responder
from models.events.decision import decision_id
from models.expressions.text import time_text


@dataclass(frozen=True, slots=True)
class Cost:
    """What models took for a flag."""

    tokens_in: int = 0
    tokens_out: int = 0
    nano: int = 0


@dataclass(slots=True)
class Decided:
    """Rows of one decision, ready to be inserted."""

    decision: dict[str, Any]
    effects: list[dict[str, Any]] = field(default_factory=list)
    audit: Entry | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """What of a flag its decision needs. ``trail``: outcomes of earlier tiers."""

    runmode: str
    flag_id: str
    pattern: str
    subject: str
    lane: int
    traceparent: str
    trail: tuple[Mapping[str, Any], ...] = ()
    inputs: Mapping[str, Any] = field(default_factory=dict)


def decided(policy: Policy, responder: Responder | None, case: Case, outcome: Decide, now: int, cost: Cost = Cost()) -> Decided:
    """The rows of a decision; without a responder (silenced, inhibited) it has no effects."""
    name = "" if responder is None else responder.name
    id_ = decision_id(case.flag_id, name, 0, case.runmode)
    common = {"runmode": case.runmode, "flag_id": case.flag_id, "responder": name, "traceparent": case.traceparent}
    actions = () if responder is None else responder.actions_of(outcome.verdict)
    effects = effect_rows(policy.respond, actions, id_, {**common, "lane": case.lane}, now)
    currency = policy.respond.currency
    body: dict[str, Any] = {
        "id": id_, "flag": case.flag_id, "responder": name, "verdict": outcome.verdict, "tier": outcome.tier,
        "reason_codes": [*outcome.reason_codes], "evidence": [*outcome.evidence],
        "actions": [{"key": row["key"], "kind": row["kind"], "target": row["target"], "state": row["state"]} for row in effects],
        "policy_version": policy.version,
        "spent": {"tokens_in": cost.tokens_in, "tokens_out": cost.tokens_out, "cost": money_text(cost.nano, currency)},
        "decided_at": time_text(now),
    }  # fmt: skip
    if outcome.confidence is not None:
        body["confidence"] = outcome.confidence
    row = {
        **common, "id": id_, "revision": 0, "verdict": outcome.verdict, "tier": outcome.tier, "pattern": case.pattern,
        "subject": case.subject, "body": orjson.dumps(body).decode(), "policy_version": policy.version, "decided_at": now,
        "tokens_in": cost.tokens_in, "tokens_out": cost.tokens_out, "cost_nano": cost.nano, "currency": currency,
    }  # fmt: skip
    record = {"decision": body, "trail": [*case.trail, _told(outcome, now)], **case.inputs}
    return Decided(row, effects, Entry("decision", id_, case.flag_id, record))


def write_decisions(connection: Connection, policy: Policy, found: Sequence[Decided], now: int) -> None:
    """Insert decisions, their effects and audit records. A decision that is there already is the caller's mistake."""
    if not found:
        return
    insert_rows(connection, decision_table, [each.decision for each in found])
    mark("decision")
    insert_rows(connection, effect, [row for each in found for row in each.effects])
    mark("effects")
    append(connection, policy.application, [each.audit for each in found if each.audit is not None], now)
    rows = [each.decision for each in found]
    when_committed(lambda: observe(rows, now))


def end_flow(connection: Connection, policy: Policy, row: Mapping[str, Any], outcome: Decide, now: int) -> str:
    """Decide a flow that the caller holds (claimed, or taken over); the decision's id.

    Raises:
        Lost: if another process has it.
    """
    responder = policy.responder(row["responder"])
    held(connection, flow, row, stage="done", open=False, updated_at=now)
    trail = tuple(orjson.loads(row["trail"]))
    case = Case(row["runmode"], row["flag_id"], row["pattern"], row["subject"], row["lane"], row["traceparent"], trail)
    write_decisions(connection, policy, [decided(policy, responder, case, outcome, now, cost_of(connection, row["id"]))], now)
    if outcome.along is not None:
        outcome.along(connection)
    return str(row["id"])


def cost_of(connection: Connection, flow_id: str) -> Cost:
    """What a flow's calls took together."""
    columns = (llm_call.c.tokens_in, llm_call.c.tokens_out, llm_call.c.cost_nano)
    query = select(*(func.coalesce(func.sum(column), 0) for column in columns)).where(llm_call.c.flow_id == flow_id)
    return Cost(*(int(value) for value in connection.execute(query).one()))


def _told(outcome: Decide, now: int) -> dict[str, Any]:
    return {"tier": outcome.tier, "outcome": "decide", "verdict": outcome.verdict, "at": time_text(now), **outcome.trail}
