"""Dead letters and late events as structured CloudEvents (contracts)."""

from __future__ import annotations

import base64
from typing import Any
from uuid import uuid5

from models.events.ids import NAMESPACE, sequence
from models.expressions.text import time_text


def dead_letter(
    application: str, stream: str, reason: str, detail: str, topic: str, partition: int, offset: int, value: bytes
) -> dict[str, Any]:
    """A row that could not be read, with its place and its original bytes."""
    data = {
        "stream": stream, "reason": reason, "detail": detail, "topic": topic, "partition": partition, "offset": offset,
        "time_received": None, "headers": {}, "key": None, "value": base64.b64encode(value).decode(),
    }  # fmt: skip
    return _event(application, "tocsin.deadletter.v1", f"{topic}/{partition}/{offset}", stream, f"{offset:020d}-000000", data)


def late_event(
    application: str, stream: str, reason: str, topic: str, partition: int, offset: int, time: int, bound: int, value: bytes
) -> dict[str, Any]:
    """An event behind its partition's bound, with both times (microseconds) and its original bytes."""
    data = {
        "stream": stream, "reason": reason, "topic": topic, "partition": partition, "offset": offset,
        "time": time_text(time), "bound": time_text(bound), "headers": {}, "key": None,
        "value": base64.b64encode(value).decode(),
    }  # fmt: skip
    return _event(application, "tocsin.late.v1", f"{topic}/{partition}/{offset}", stream, sequence(time), data)


def _event(application: str, type_: str, place: str, stream: str, order: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0", "id": str(uuid5(NAMESPACE, f"{type_} {stream} {place}")), "source": f"/tocsin/{application}",
        "type": type_, "subject": f"{stream}/{place}", "datacontenttype": "application/json", "sequence": order, "data": data,
    }  # fmt: skip
