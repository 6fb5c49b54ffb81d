"""A record as it came, and the flag in it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from models.events.cloudevents import STRUCTURED
from models.events.decision import LIVE
from models.events.flagvalues import parse_time

CONTROL = frozenset({"tocsin.application.v1"})
"""What stands among flags and is none."""
_NEEDED = ("id", "source", "type", "time", "partitionkey")
_NUMBERS = frozenset({"priority"})


class Record(NamedTuple):
    """A message of a topic, or a line of a file (``offset``: the byte at which it begins)."""

    topic: str
    partition: int
    offset: int
    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag for the inbox. ``event``: structured, ``text``: as JSON; ``sha``: of all of it but the time of recording."""

    id: str
    runmode: str
    event: Mapping[str, Any]
    text: str
    sha: str
    pattern: str
    lane: int
    time: int
    expires: int | None
    record: Record


@dataclass(frozen=True, slots=True)
class Poison:
    """A record that is no flag: reason is one of syntax, encoding, missing, type, envelope, conflict."""

    reason: str
    detail: str
    record: Record
    flag_id: str = ""


def read_record(record: Record, runmode: str | None = None) -> Flag | Poison | None:
    """The flag of a record; None for control events. ``runmode`` replaces the flag's own."""
    try:
        event, whole = _event(record)
    except orjson.JSONDecodeError as error:
        return Poison("syntax", f"expected JSON; {error}", record)
    if not isinstance(event, dict):
        return Poison("syntax", "expected a JSON object", record)
    if event.get("type") in CONTROL:
        return None
    for name in _NEEDED:
        if not isinstance(event.get(name), str) or (name == "id" and not event[name]):
            return Poison("missing" if event.get(name) is None else "type", f"expected {name} as text", record)
    data = event.get("data")
    pattern = data.get("pattern") if isinstance(data, dict) else None
    if not isinstance(pattern, dict) or not isinstance(pattern.get("name"), str):
        return Poison("envelope", "expected a flag with data.pattern.name", record, event["id"])
    try:
        return _flag(event, pattern["name"], record, runmode, whole)
    except ValueError as error:
        return Poison("type", f"expected times as RFC 3339; found {error}", record, event["id"])


def _flag(event: dict[str, Any], pattern: str, record: Record, runmode: str | None, whole: bool) -> Flag:
    if runmode is not None:
        event["runmode"] = runmode
    text = (record.value or b"") if whole and runmode is None else orjson.dumps(event)
    priority, expires = event.get("priority"), event.get("expirytime")
    return Flag(
        event["id"], event.get("runmode") or LIVE, event, text.decode(), _sha(event), pattern,
        priority if isinstance(priority, int) and 1 <= priority <= 3 else 2, parse_time(event["time"]),
        parse_time(expires) if isinstance(expires, str) else None, record,
    )  # fmt: skip


def _sha(event: Mapping[str, Any]) -> str:
    """Of the canonical text without the one wall-clock value: a replay gives the same."""
    same = {name: value for name, value in event.items() if name not in ("recordedtime", "runmode")}
    return hashlib.sha256(orjson.dumps(same, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _event(record: Record) -> tuple[Any, bool]:
    """The event, from either of CloudEvents' modes on Kafka, and whether the value is all of it; a line of a file is."""
    found = orjson.loads(record.value or b"")
    headers = dict(record.headers)
    content = (headers.get("content-type") or b"").decode("utf-8", "replace")
    if not headers or content.startswith(STRUCTURED.partition("+")[0]):
        return found, True
    attributes = {name[3:]: (value or b"").decode("utf-8", "replace") for name, value in headers.items() if name.startswith("ce_")}
    if not attributes:
        return found, True
    numbers = {name: int(attributes[name]) for name in _NUMBERS if attributes.get(name, "").isdigit()}
    return {**attributes, **numbers, "datacontenttype": content, "data": found}, False
