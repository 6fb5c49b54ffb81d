"""The decision that answers a flag, and the ids that make it and its effects happen once (contracts: decision)."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from models.events.ids import canonical_json, identifier

LIVE = "live"
TYPE = "tocsin.decision.v1"


def decision_id(flag: str, responder: str, revision: int = 0, runmode: str = LIVE) -> str:
    """A decision's id; ``runmode`` counts unless it is live, so that a replay never blocks or repeats a live decision."""
    return identifier(canonical_json([flag, responder, revision, *([] if runmode == LIVE else [runmode])]))


def effect_key(decision: str, action: str, target: str) -> str:
    """An effect's key; the decision's id has the run mode in it."""
    return identifier(canonical_json([decision, action, target]))


class Action(BaseModel):
    """An effect of a decision."""

    model_config = ConfigDict(extra="forbid")

    key: str
    kind: str
    target: str
    state: str


class Spent(BaseModel):
    """What models took: tokens, and money as text in its currency."""

    model_config = ConfigDict(extra="forbid")

    tokens_in: int
    tokens_out: int
    cost: str


class Decision(BaseModel):
    """A decision as it goes out; ``tier`` is rule:NAME, score, llm, human or default:REASON."""

    model_config = ConfigDict(extra="forbid")

    id: str
    flag: str
    responder: str
    verdict: str
    tier: str
    reason_codes: list[str]
    confidence: float | None = None
    evidence: list[str]
    actions: list[Action]
    policy_version: str
    spent: Spent
    decided_at: str
    supersedes: str | None = None


class DecisionEvent(BaseModel):
    """The structured CloudEvent that holds it; its id is the decision's."""

    model_config = ConfigDict(extra="forbid")

    specversion: str
    id: str
    source: str
    type: str = Field(pattern=r"^tocsin\.decision\.v1$")
    subject: str
    time: str
    datacontenttype: str
    correlationid: str
    causationid: str
    traceparent: str | None = None
    partitionkey: str
    runmode: str
    data: Decision


def decision_event(decision: dict[str, Any], flag: dict[str, Any], application: str) -> dict[str, Any]:
    """A decision as a structured CloudEvent; ``flag`` gives subject, key and correlation."""
    found = {
        "specversion": "1.0", "id": decision["id"], "source": f"/tocsin/{application}", "type": TYPE,
        "subject": flag.get("subject", ""), "time": decision["decided_at"], "datacontenttype": "application/json",
        "correlationid": flag.get("correlationid") or decision["flag"], "causationid": decision["flag"],
        "partitionkey": flag.get("partitionkey", ""), "runmode": flag.get("runmode", LIVE),
    }  # fmt: skip
    if flag.get("traceparent"):
        found["traceparent"] = flag["traceparent"]
    return {**found, "data": decision}
