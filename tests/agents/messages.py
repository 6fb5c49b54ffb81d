"""A flag, a decision and the message about them, as tests send it."""

from __future__ import annotations

from typing import Any

from agents.effects.message import Message

NOW = 1_790_000_000_000_000
SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def flag(kind: str = "match", **attributes: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0", "id": "1558f692-d5f9-5c15-bc2f-6682b1985a02", "source": "/tocsin/card-fraud/takeover",
        "type": "tocsin.flag.takeover.v1", "subject": "card/c-1", "time": "2026-09-21T13:33:20.000000Z",
        "correlationid": "pay/0/41", "partitionkey": "c-1", "dedupkey": "episode-1", "severity": "high", "priority": 1,
        "runmode": "live", "traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01",
        "data": {
            "pattern": {
                "name": "takeover", "version": "1.0", "kind": kind, "title": "Takeover of <c-1> & more", "severity": "high",
                "labels": {"team": "fraud"}, "runbook": "https://runbook.example/takeover", "description": "Someone else pays.",
            },
            "key": {"card": "c-1"}, "reasons": [{"expression": "amount > 100", "value": 250.5, "operator": ">", "threshold": 100, "holds": True}],
            "features": {"count": 3},
        },
        **attributes,
    }  # fmt: skip


def message(key: str = "5f0e", kind: str = "match", **fields: Any) -> Message:
    given: dict[str, Any] = {
        "action": "block", "time": NOW, "flag": flag(kind), "traceparent": flag()["traceparent"],
        "decision": {"id": "d-1", "flag": flag()["id"], "verdict": "block", "tier": "rule:sanctioned"},
    }  # fmt: skip
    return Message(key, **{**given, **fields})
