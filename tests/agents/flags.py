"""Flags as a run writes them, for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from models.events.ids import flag_id, sequence, trace_parent
from models.expressions.text import time_text

BEGIN = 1_700_000_000_000_000
SECOND = 1_000_000


def flag(number: int, pattern: str = "takeover", **more: Any) -> dict[str, Any]:
    """The flag of an event ``e<number>``, a second after the one before; ``more``: attributes, or parts of its data."""
    key, amount = more.pop("key", f"k{number}"), more.pop("amount", "100.00")
    time = BEGIN + number * SECOND
    id_ = flag_id("bank", pattern, 1, "match", key, [f"e{number}"])
    event = {
        "id": f"e{number}", "on": "tx", "topic": "tx.jsonl", "partition": 0, "offset": number, "time": time_text(time), "role": "",
        "fields": {"ts": time_text(time), "customer_id": key, "amount": amount, "country": "DE"},
    }  # fmt: skip
    attributes = {
        "specversion": "1.0", "id": id_, "source": f"/tocsin/bank/{pattern}", "type": f"tocsin.flag.{pattern}.v1",
        "subject": f"customer_id/{key}", "time": time_text(time), "datacontenttype": "application/json",
        "dataschema": "urn:tocsin:schema:flag:v1", "correlationid": f"e{number}", "causationid": f"e{number}",
        "traceparent": trace_parent(id_), "partitionkey": key, "sequence": sequence(time), "dedupkey": id_, "severity": "high",
        "priority": 2, "ruleset": "0123456789ab", "runmode": "live", "recordedtime": "2024-01-01T00:00:00Z",
    }  # fmt: skip
    data = {
        "pattern": {"name": pattern, "version": "1", "kind": "match", "title": f"{amount} of {key}", "severity": "high",
                    "labels": {}, "runbook": "", "description": ""},
        "application": {"name": "bank", "version": "1"}, "key": {"customer_id": key}, "time": time_text(time),
        "window": {"start": time_text(time), "end": time_text(time)}, "steps": {}, "evidence": [event], "evidence_count": 1,
        "evidence_sum": {"amount": amount}, "repeat": 1, "reasons": [], "features": {},
        "scores": {"amount_z": {"value": 3.0, "model": "zscore", "version": "1"}},
        "enrichment": {"customer": {"segment": "private"}}, "suppressed": 0,
    }  # fmt: skip
    for name, value in more.items():
        if name in data["pattern"]:  # type: ignore[operator]
            data["pattern"][name] = value  # type: ignore[index]
        if name in data:
            data[name] = value
        elif name not in data["pattern"] or name == "severity":  # type: ignore[operator]
            attributes[name] = value
    return {**attributes, "data": data}


def written(path: Path, *flags: Any) -> Path:
    """A file of flags; text goes in as it is."""
    path.write_text("".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in flags))
    return path
