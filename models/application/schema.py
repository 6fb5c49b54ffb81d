"""The JSON Schema of application files, from the same table of keys that the checker reads."""

from __future__ import annotations

from typing import Any

from models.application.features import AGGREGATES, SCORES
from models.application.keys import SECTIONS, known

_NAMED = {"streams": "stream", "tables": "table", "features": "feature", "scores": "score", "patterns": "pattern",
          "calendars": "calendar", "lists": "list"}  # fmt: skip


def application_schema() -> dict[str, Any]:
    """A JSON Schema (2020-12) with every key and a line about it."""
    properties = _properties("application")
    for section, kind in _NAMED.items():
        extra = {"feature": AGGREGATES, "score": SCORES}.get(kind, ())
        entry: dict[str, Any] = {"type": "object", "properties": _properties(kind), "additionalProperties": False}
        entry["properties"].update({name: {"description": f"the {kind} itself"} for name in extra})
        properties[section] = {**properties[section], "type": "object", "additionalProperties": entry}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tocsin application",
        "type": "object",
        "required": ["tocsin", "name", "streams"],
        "properties": properties,
        "additionalProperties": False,
    }


def _properties(section: str) -> dict[str, Any]:
    return {key: {"description": SECTIONS[section][key]} for key in known(section)}
