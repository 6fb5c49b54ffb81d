"""Dead letters and late events as structured CloudEvents (contracts)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from models.events.ids import identifier, sequence
from models.expressions.text import time_text

Headers = Sequence[tuple[str, bytes | None]]


def dead_letter(
    application: str, stream: str, reason: str, detail: str, topic: str, partition: int, offset: int, value: bytes | None,
    key: bytes | None = None, headers: Headers = (), received: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """A row that could not be read, with its place, its original bytes, and its timestamp (microseconds)."""
    data = {
        "stream": stream, "reason": reason, "detail": detail, "topic": topic, "partition": partition, "offset": offset,
        "time_received": None if received is None else time_text(received), **_original(headers, key, value),
    }  # fmt: skip
    return _event(application, "tocsin.deadletter.v1", f"{topic}/{partition}/{offset}", stream, f"{offset:020d}-000000", data)


def late_event(
    application: str, stream: str, reason: str, topic: str, partition: int, offset: int, time: int, bound: int,
    value: bytes | None, key: bytes | None = None, headers: Headers = (),
) -> dict[str, Any]:  # fmt: skip
    """An event behind its partition's bound, with both times (microseconds) and its original bytes."""
    data = {
        "stream": stream, "reason": reason, "topic": topic, "partition": partition, "offset": offset,
        "time": time_text(time), "bound": time_text(bound), **_original(headers, key, value),
    }  # fmt: skip
    return _event(application, "tocsin.late.v1", f"{topic}/{partition}/{offset}", stream, sequence(time), data)


def _original(headers: Headers, key: bytes | None, value: bytes | None) -> dict[str, Any]:
    """What a record was, byte for byte: headers as pairs of name and base64, since a name may stand twice."""
    return {"headers": [[name, _base64(each)] for name, each in headers], "key": _base64(key), "value": _base64(value)}


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _event(application: str, type_: str, place: str, stream: str, order: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0", "id": identifier(f"{type_} {stream} {place}"), "source": f"/tocsin/{application}",
        "type": type_, "subject": f"{stream}/{place}", "datacontenttype": "application/json", "sequence": order, "data": data,
    }  # fmt: skip
