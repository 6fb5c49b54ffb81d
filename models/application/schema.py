"""The JSON Schema of application files, for editors: keys and words from the table that the checker reads, types from here."""

from __future__ import annotations

from typing import Any

from models.application.features import AGGREGATES
from models.application.keys import LATER, SECTIONS, known, not_in_this_version
from models.application.patternparts import LEVELS
from models.application.respond.schema import respond_types

Fragment = dict[str, Any]

_TEXT: Fragment = {"type": "string"}
_SCALAR: Fragment = {"type": ["string", "number", "boolean"]}
_NUMBER: Fragment = {"type": ["number", "string"]}
_BOOL: Fragment = {"type": "boolean"}
_TRUE: Fragment = {"const": True}
_DURATION: Fragment = {"type": ["string", "integer"], "pattern": r"^(\$[a-z][a-z0-9_]*|-?(\d+(us|ms|s|m|h|d))+|0)$"}
_NAMES: Fragment = {"type": ["string", "array"], "items": _TEXT}
_CONTIGUITY: Fragment = {"enum": ["strict", "relaxed", "any"]}
_ANY_STEP: Fragment = {"type": "object", "minProperties": 1}
"""Steps inside a step: what stands in them is left to the checker."""
_LEVEL: Fragment = {"enum": list(LEVELS)}
_SINK: Fragment = {
    "type": "object",
    "properties": {"file": _TEXT, "kafka": _TEXT},
    "additionalProperties": False,
    "minProperties": 1,
}


def application_schema() -> Fragment:
    """A JSON Schema (2020-12) with every key of the language and a line about it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tocsin application",
        **_section("application"),
        "required": ["tocsin", "name", "streams"],
    }


def _steps(*, listed: bool) -> Fragment:
    """Steps by name: in a list, one a member, or together."""
    step = _section("step")
    named: Fragment = {"type": "object", "additionalProperties": {"anyOf": [step, {"type": "null"}]}, "minProperties": 1}
    return {"type": "array", "items": {**named, "maxProperties": 1}, "minItems": 1} if listed else named


def _section(section: str, more: dict[str, Fragment] | None = None, required: tuple[str, ...] = ()) -> Fragment:
    """A mapping with the keys of a section; those of later versions are named, and nothing fits them."""
    types = {**_TYPES.get(section, {}), **(more or {})}
    properties: dict[str, Fragment] = {}
    for key, about in SECTIONS[section].items():
        later = key not in known(section)
        if later or key in LATER.get(section, ()) or key in _UNDONE:
            properties[key] = {"description": not_in_this_version(repr(key)), "not": {}}
        else:
            properties[key] = {"description": about, **_fragment(types.get(key, {}))}
    for key, fragment in (more or {}).items():
        properties.setdefault(key, fragment)
    found: Fragment = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**found, "required": list(required)} if required else found


def _fragment(found: Any) -> Fragment:
    """A fragment, made when it is asked for where it names a section."""
    fragment: Fragment = found() if callable(found) else found
    return fragment


def _named(section: str, more: dict[str, Fragment] | None = None, required: tuple[str, ...] = ()) -> Any:
    """Things of a section by name."""
    return lambda: {"type": "object", "additionalProperties": _section(section, more, required)}


def _fields() -> Fragment:
    full = {"type": _TEXT, "path": _TEXT, "pii": _TEXT}
    whole = {"type": "object", "properties": full, "additionalProperties": False, "required": ["type"]}
    return {"type": "object", "minProperties": 1, "additionalProperties": {"anyOf": [_TEXT, whole]}}


_UNDONE = frozenset({"storm"})
_BY: Fragment = {"type": ["string", "array", "object"], "items": _TEXT, "additionalProperties": _TEXT}
_ACTIVE: Fragment = {
    "type": "object",
    "properties": {"in": _TEXT, "not_in": _TEXT},
    "additionalProperties": False,
    "minProperties": 1,
}
_JOIN: Fragment = {
    "type": "object",
    "additionalProperties": {
        "type": ["string", "object"],
        "properties": {"table": _TEXT, "on": _NAMES},
        "required": ["table", "on"],
        "additionalProperties": False,
    },
}
_FROM: Fragment = {
    "type": "object",
    "properties": {"file": _NAMES, "files": _NAMES, "kafka": _NAMES, "as": {"const": "partitions"}},
    "additionalProperties": False,
}
_FILE: Fragment = {"type": "object", "properties": {"file": _TEXT}, "required": ["file"], "additionalProperties": False}
_SOURCE: dict[str, Any] = {
    "from": _FROM,
    "format": {"enum": ["json", "csv", "parquet", "debezium", "cloudevents"]},
    "time": _TEXT,
    "lateness": _DURATION,
    "fields": _fields,
    "max_dead": _NUMBER,
    "idle_after": _DURATION,
}
_LEARNING: dict[str, Any] = {
    "of": _TEXT,
    "by": _BY,
    "over": {"anyOf": [_DURATION, {"const": "all"}, {"type": "array", "items": _DURATION}]},
    "where": _SCALAR,
    "delay": _DURATION,
    "exclude_current": _BOOL,
    "ttl": _DURATION,
}
_MEASURES: dict[str, Fragment] = {
    **{name: {**_SCALAR, "description": f"{name} of an expression"} for name in AGGREGATES},
    "count": {**_TRUE, "description": "how many events"},
    "since_last": {**_TRUE, "description": "time since the last event"},
}
_BACK = frozenset({"previous", "since_last", "is_new"})
"""Aggregates that look back from an event."""
_POINTS: Fragment = {"type": "object", "additionalProperties": _NUMBER, "description": "points for each condition that holds"}
_TYPES: dict[str, dict[str, Any]] = {
    "application": {
        "tocsin": {"const": 1},
        "name": {"type": "string", "pattern": "^[a-z][a-z0-9_-]*$"},
        "version": _SCALAR,
        "include": {"type": "array", "items": _TEXT},
        "connections": {
            "type": "object",
            "additionalProperties": {
                "type": "object", "required": ["kafka"], "additionalProperties": False,
                "properties": {"kafka": {"type": "object"}, "schema_registry": {"type": "object", "required": ["url"]}},
            },
        },
        "params": lambda: {"type": "object", "additionalProperties": {"anyOf": [_NUMBER, _section("param", required=("value",))]}},
        "streams": _named("stream", required=("fields",)),
        "tables": _named("table", required=("fields", "key")),
        "features": _named("feature", _MEASURES),
        "scores": _named("score", {"zscore": {**_SCALAR, "description": "strangeness of a value"}, "points": _POINTS}),
        "rollups": _named("rollup", required=("window", "select")),
        "labels": _named("label", required=("of", "from", "match", "value", "settle")),
        "calendars": _named("calendar"),
        "lists": _named("list"),
        "patterns": _named("pattern"),
        "flags": lambda: _section("flags"),
        "tests": lambda: {"type": "array", "items": _section("test", required=("given", "expect"))},
        "teams": _named("team"), "endpoints": _named("endpoint", required=("url",)),
        "respond": lambda: _section("respond", required=("responders",)),
    },
    "stream": {
        **_SOURCE, "max_ahead": _DURATION, "id": _TEXT, "dedup": _DURATION, "partitioned_by": _NAMES, "where": _SCALAR,
        "correlation": _TEXT, "join": _JOIN, "derive": {"type": "object", "additionalProperties": _SCALAR},
        "before": {"const": "full"}, "snapshot": {"const": "include"},
    },
    "table": {**_SOURCE, "key": _NAMES, "valid_from": _TEXT},
    "feature": {**_LEARNING, "every": _DURATION, "q": _NUMBER, "n": _NUMBER, "skip_null": _BOOL},
    "score": {**_LEARNING, "min_count": _NUMBER, "learn_below": _NUMBER},
    "rollup": {
        "of": _TEXT, "by": _BY, "window": lambda: {**_section("window"), "minProperties": 1, "maxProperties": 1}, "tz": _TEXT,
        "select": _named("measure", {name: _MEASURES[name] for name in AGGREGATES if name not in _BACK}), "fill": _DURATION,
    },
    "window": {
        "tumbling": _DURATION, "hopping": {"type": "array", "items": _DURATION, "minItems": 2, "maxItems": 2}, "session": _DURATION,
    },
    "label": {
        "of": _TEXT, "from": _TEXT, "value": _SCALAR, "default": _SCALAR, "settle": _DURATION,
        "match": {"anyOf": [_TEXT, {"type": "object", "additionalProperties": _TEXT}]},
    },
    "measure": {"where": _SCALAR, "q": _NUMBER, "skip_null": _BOOL},
    "pattern": {
        "on": _TEXT, "by": _BY, "when": _SCALAR, "guard": _SCALAR,
        "active": _ACTIVE,
        "severity": {"anyOf": [_LEVEL, {"type": "object", "propertyNames": _LEVEL, "additionalProperties": _SCALAR}]},
        "priority": {"type": ["integer", "string"], "minimum": 1, "maximum": 3}, "expires": _DURATION, "title": _SCALAR,
        "evidence": lambda: _section("evidence"), "mode": {"enum": ["live", "shadow", "part", "off"]},
        "suppress": lambda: _section("suppress"),
        "tests": lambda: {"type": "array", "items": _section("test", required=("given", "expect"))},
        "version": _SCALAR, "description": _SCALAR, "runbook": _SCALAR,
        "labels": {"type": "object", "additionalProperties": _SCALAR}, "trigger": {"enum": ["each", "edge"]},
        "hold": {"anyOf": [{"type": "string", "pattern": r"^\d+ of \d+$"}, _DURATION]}, "clear": _SCALAR,
        "on_clear": {"const": "flag"},
        "sequence": lambda: _steps(listed=True), "all": lambda: _steps(listed=False), "any": lambda: _steps(listed=False),
        "absence": lambda: _section("absence", required=("for",)),
        "within": lambda: {"anyOf": [_DURATION, _section("within", required=("gap",))]}, "on_timeout": {"enum": ["flag", "none"]},
        "after_match": {"anyOf": [
            {"enum": ["past_last", "none", "to_next"]},
            {"type": "object", "propertyNames": {"enum": ["to_first", "to_last"]}, "maxProperties": 1, "minProperties": 1},
        ]}, "emit": {"enum": ["eager", "ordered"]}, "having": _SCALAR, "max_partial": _NUMBER,
    },
    "step": {
        "on": _TEXT, "by": _BY, "when": _SCALAR, "times": {"type": ["string", "integer"], "pattern": r"^(\$\w+|\d+(\.\.\d*)?)$"},
        "optional": _BOOL, "greedy": _BOOL, "until": _SCALAR, "contiguity": _CONTIGUITY, "loop": _CONTIGUITY, "gap": _DURATION,
        "not": _BOOL, "repeat": _DURATION, "group": {"type": "array", "items": _ANY_STEP}, "any_of": _ANY_STEP, "all_of": _ANY_STEP,
        "any": _ANY_STEP, "all": _ANY_STEP,
    },
    "within": {"gap": _DURATION},
    "absence": {"for": _DURATION, "after": {"enum": ["first", "each"]}, "expect": _TEXT},
    "suppress": {
        "cooldown": _DURATION, "debounce": _DURATION, "max_wait": _DURATION, "batch": lambda: _section("batch", required=("over",)),
        "limit": lambda: _section("limit", required=("count", "over")), "per": _NAMES,
    },
    "calendar": {
        "tz": _TEXT, "hours": {"type": "string", "pattern": r"^\d\d:\d\d-\d\d:\d\d$"},
        "days": {"type": ["array", "string"], "items": {"enum": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}},
    },
    "list": {"file": _TEXT, "key": _TEXT, "values": {"type": "array", "items": _SCALAR}, "type": _TEXT, "from": _FILE},
    "flags": {"to": _SINK, "late": _SINK, "dead_letters": _SINK, "source_prefix": _TEXT, "type_prefix": _TEXT},
    "test": {
        "name": _SCALAR, "start": _SCALAR, "given": {"type": "array", "items": {"type": "object"}},
        "expect": lambda: {"type": "array", "items": _section("expected flag")},
        "expect_late": {"type": "array", "items": _SCALAR}, "expect_dead": {"type": "array", "items": _SCALAR},
        "end": {"const": "open"},
    },
    "expected flag": {
        "pattern": _TEXT, "kind": {"enum": ["match", "cleared", "timeout", "storm"]}, "key": _SCALAR, "at": _DURATION,
        "time": _SCALAR,
        "steps": {"type": "object", "additionalProperties": {"type": "array", "items": _SCALAR}},
        "events": {"type": "array", "items": _SCALAR}, "data": {"type": "object"},
    },
    "batch": {"over": _DURATION, "max": _NUMBER},
    "limit": {"count": _NUMBER, "over": _DURATION},
    "evidence": {"last": _NUMBER},
    "param": {"value": _SCALAR, "range": _TEXT, "step": _SCALAR},
    **respond_types(_section, _named),
}  # fmt: skip
