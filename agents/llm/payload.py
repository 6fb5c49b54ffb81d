"""What a model is shown of a flag: the fields that the responder lists, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agents.llm.cleaning import capped

LONGEST_TEXT = 400
"""Characters of one text that are shown."""
_MISSING = object()
_OF_PATTERN = frozenset({"version", "kind", "title", "severity", "labels"})
_OF_FLAG = frozenset({"priority", "subject", "runmode", "dedupkey"})


@dataclass(frozen=True, slots=True)
class Payload:
    """``shown``: a JSON object; ``evidence``: the ids behind the short names (e1, e2, …) under which events are shown."""

    shown: dict[str, Any]
    evidence: Mapping[str, str]

    def shorter(self) -> Payload | None:
        """Without its oldest event; None where only one is left."""
        rows = self.shown.get("evidence", [])
        if len(rows) < 2:
            return None
        gone, *left = rows
        out = {**self.shown, "evidence": left, "events_left_out": self.shown.get("events_left_out", 0) + 1}
        kept = {row["event"] for row in left} | _in_steps(out)
        return replace(self, shown=out, evidence={name: id_ for name, id_ in self.evidence.items() if name in kept})


def payload(flag: Mapping[str, Any], fields: Sequence[str]) -> Payload:
    """Listed parts of a (masked) flag, by the names that conditions over flags use; a field of events is shown of each of them."""
    data = flag["data"]
    names = {id_: f"e{i}" for i, id_ in enumerate(dict.fromkeys(event["id"] for event in data.get("evidence", ())), 1)}
    shown: dict[str, Any] = {}
    columns: list[str] = []
    for name in fields:
        value = _part(flag, name)
        if name == "evidence":
            columns += [column for event in data["evidence"] for column in event["fields"] if column not in columns]
        elif value is _MISSING and any(name in event["fields"] for event in data.get("evidence", ())):
            columns.append(name)
        elif value is not _MISSING:
            shown[name] = _named(value, names) if name == "steps" else value
        elif name in data.get("key", {}):
            shown[name] = data["key"][name]
    if rows := _rows(data, columns, names):
        shown["evidence"] = rows
    seen = {row["event"] for row in shown.get("evidence", ())} | _in_steps(shown)
    return Payload(capped(shown, LONGEST_TEXT), {name: id_ for id_, name in names.items() if name in seen})


def _part(flag: Mapping[str, Any], name: str) -> Any:
    """A part of a flag by its name in conditions (models/application/respond: flag scope)."""
    data = flag["data"]
    first = name.partition(".")[0]
    if name == "pattern":
        return data["pattern"]["name"]
    if name == "application":
        return data["application"]["name"]
    if first in _OF_PATTERN:
        return _at(data["pattern"], name)
    if name in _OF_FLAG:
        return flag.get(name, _MISSING)
    if first == "scores" and first != name:
        return _at(data, f"{name}.value")
    return _at(data, name)


def _at(value: Any, path: str) -> Any:
    """What stands at a path; keys may have dots themselves."""
    if not isinstance(value, Mapping):
        return _MISSING
    if path in value:
        return value[path]
    parts = path.split(".")
    for i in range(1, len(parts)):
        if (head := ".".join(parts[:i])) in value:
            return _at(value[head], ".".join(parts[i:]))
    return _MISSING


def _rows(data: Mapping[str, Any], columns: Sequence[str], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Events with those of the columns that they have."""
    rows = []
    for event in data.get("evidence", ()):
        values = {name: event["fields"][name] for name in columns if name in event["fields"]}
        if values:
            rows.append({"event": names[event["id"]], **values})
    return rows


def _in_steps(shown: Mapping[str, Any]) -> set[str]:
    return {event for events in shown.get("steps", {}).values() for event in events}


def _named(steps: Mapping[str, Sequence[str]], names: Mapping[str, str]) -> dict[str, list[str]]:
    """Ids of events by their short names; of those that the flag keeps no more, nothing is shown."""
    return {step: [names[id_] for id_ in ids if id_ in names] for step, ids in steps.items()}
