"""Structured CloudEvents: all attributes lie in the body, so that the signature covers them."""

from __future__ import annotations

from typing import Any

import orjson

from agents.effects.formats.rendered import Rendered
from agents.effects.message import Message
from models.events.cloudevents import STRUCTURED
from models.expressions.text import time_text


def event(message: Message) -> dict[str, Any]:
    """The event; its id is the effect's key, so that source and id are unique for each thing that is to be done once."""
    kind = "task" if message.task else "compensation" if message.undoes else "action"
    flag = message.flag
    found: dict[str, Any] = {
        "specversion": "1.0",
        "id": message.key,
        "source": str(flag.get("source") or "/tocsin"),
        "type": f"tocsin.{kind}.v1",
        "time": time_text(message.time),
        "datacontenttype": "application/json",
        "data": {"action": message.action, "decision": message.decision or None, "flag": flag or None},
    }
    if message.undoes:
        found["data"]["undoes"] = message.undoes
    if message.task:
        found["data"]["task"] = message.task
    for name in ("subject", "correlationid", "partitionkey", "dedupkey", "runmode"):
        if flag.get(name):
            found[name] = flag[name]
    found["causationid"] = message.flag_id or message.key
    if message.traceparent:
        found["traceparent"] = message.traceparent
    return found


def render(message: Message) -> Rendered:
    """The event as JSON."""
    return Rendered(orjson.dumps(event(message)), f"{STRUCTURED}; charset=UTF-8")
