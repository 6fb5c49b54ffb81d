"""PagerDuty's Events API v2: a flag triggers, kind ``cleared`` resolves; flags of one episode are one incident by ``dedup_key``."""

from __future__ import annotations

from typing import Any

import orjson

from agents.effects.formats.rendered import NotPossible, Rendered
from agents.effects.message import Message

_SEVERITIES = {"critical": "critical", "high": "error", "medium": "warning", "low": "info", "info": "info"}
_SUMMARY, _KEY, _SIZE = 1024, 255, 512 * 1024


def render(message: Message, routing_key: str) -> Rendered:
    """The event as PagerDuty takes it.

    Raises:
        NotPossible: without a routing key.
    """
    if not routing_key:
        raise NotPossible("a pagerduty endpoint needs its routing key as secret")
    whole = _event(message, routing_key, _details(message))
    body = orjson.dumps(whole)
    if len(body) > _SIZE:
        body = orjson.dumps(_event(message, routing_key, {"flag": message.flag_id, "cut": "the details exceeded 512 KiB"}))
    return Rendered(body)


def _event(message: Message, routing_key: str, details: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": "resolve" if message.cleared else "trigger",
        "dedup_key": message.dedup_key[:_KEY],
    }
    if message.cleared:
        return found
    found["client"] = "Tocsin"
    found["payload"] = {
        "summary": message.title[:_SUMMARY],
        "source": str(message.flag.get("subject") or message.flag.get("source") or "tocsin"),
        "severity": _SEVERITIES.get(message.severity, "warning"),
        "timestamp": message.flag.get("time"),
        "component": str(message.pattern.get("name") or ""),
        "class": str(message.pattern.get("kind") or "match"),
        "custom_details": details,
    }
    if message.task.get("link"):
        found["links"] = [{"href": message.task["link"], "text": "Answer"}]
    return found


def _details(message: Message) -> dict[str, Any]:
    data = message.flag.get("data", {})
    return {
        "action": message.action, "decision": message.decision or None, "flag": message.flag_id, "key": data.get("key"),
        "reasons": data.get("reasons"), "features": data.get("features"), "runbook": message.pattern.get("runbook"),
        "task": message.task or None,
    }  # fmt: skip
