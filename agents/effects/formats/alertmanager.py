"""Alertmanager's API v2 (``/api/v2/alerts``): an alert per episode, identified by its labels; kind ``cleared`` ends it."""

from __future__ import annotations

import re
from typing import Any

import orjson

from agents.effects.formats.rendered import Rendered
from agents.effects.message import Message
from models.expressions.text import time_text

_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_]")
_DAY = 86_400_000_000
"""How long an alert stands that nothing clears and that has no expiry; without an end Alertmanager resolves it in minutes."""


def render(message: Message) -> Rendered:
    """The alert as Alertmanager takes it."""
    alert: dict[str, Any] = {"labels": _labels(message), "annotations": _annotations(message)}
    if message.cleared:
        alert["endsAt"] = message.flag.get("time") or time_text(message.time)
    else:
        alert["startsAt"] = message.flag.get("time") or time_text(message.time)
        alert["endsAt"] = message.flag.get("expirytime") or time_text(message.time + _DAY)
    return Rendered(orjson.dumps([alert]))


def _labels(message: Message) -> dict[str, str]:
    """Equal for the flag that opens an episode and the one that clears it; the pattern's own labels may not replace ours."""
    given = {_NOT_IN_NAMES.sub("_", name): str(value) for name, value in dict(message.pattern.get("labels") or {}).items()}
    ours = {
        "alertname": str(message.pattern.get("name") or "tocsin"), "severity": message.opened or message.severity,
        "subject": str(message.flag.get("subject") or ""), "dedupkey": message.dedup_key, "source": "tocsin",
    }  # fmt: skip
    return {name: value for name, value in {**given, **ours}.items() if value}


def _annotations(message: Message) -> dict[str, str]:
    found = {
        "summary": message.title, "description": str(message.pattern.get("description") or ""), "flag": message.flag_id,
        "runbook_url": str(message.pattern.get("runbook") or ""), "verdict": str(message.decision.get("verdict") or ""),
        "decided_by": str(message.decision.get("tier") or ""), "action": message.action,
    }  # fmt: skip
    return {name: value for name, value in found.items() if value}
