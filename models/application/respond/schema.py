"""Types of the sections that say how flags are answered, for the editor's schema."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from models.application.respond.endpoints import FORMATS, ROLES
from models.application.respond.responders import KINDS

_TEXT = {"type": "string"}
_SCALAR = {"type": ["string", "number", "boolean"]}
_NAMES = {"type": ["string", "array"], "items": _TEXT}
_COUNT = {"type": ["integer", "string"], "minimum": 0}
_PRICE = {"type": ["number", "string"]}
_DURATION = {"type": ["string", "integer"], "pattern": r"^(\$[a-z][a-z0-9_]*|(\d+(us|ms|s|m|h|d))+|0)$"}
_LONG = {"type": "string", "pattern": r"^(\d+y|(\d+(us|ms|s|m|h|d))+)$"}
_MONEY = {"type": "string", "pattern": r"^\d+(\.\d+)? [A-Z]{3}$"}
_RATE = {"type": "string", "pattern": r"^\d+(\.\d+)? [A-Z]{3} per (hour|day)$"}
_VERDICT = {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"}
_VERDICTS = {"type": ["string", "array"], "items": _VERDICT}
_CALENDAR = {
    "type": "object", "properties": {"in": _TEXT, "not_in": _TEXT}, "additionalProperties": False,
    "minProperties": 1, "maxProperties": 1,
}  # fmt: skip
_TEMPLATE = {"type": "object", "properties": {"template": _TEXT}, "required": ["template"], "additionalProperties": False}


def respond_types(section: Callable[..., dict[str, Any]], named: Callable[..., Any]) -> dict[str, dict[str, Any]]:
    """Fragments by section and key; ``section`` and ``named`` make those of other sections."""
    return {
        "team": {"role": {"enum": list(ROLES)}, "notify": _NAMES},
        "endpoint": {
            "url": _TEXT, "format": {"anyOf": [{"enum": list(FORMATS)}, _TEMPLATE]}, "secret": _NAMES, "timeout": _DURATION,
            "schedule": {"type": "array", "items": _DURATION, "minItems": 1}, "private": _NAMES, "from": _TEXT, "to": _NAMES,
        },
        "respond": {
            "routes": lambda: {"type": "array", "items": section("route", required=("to",)), "minItems": 1},
            "inhibit": lambda: {"type": "array", "items": section("inhibition", required=("source", "target"))},
            "responders": named("responder"), "budget": lambda: section("budget"),
            "prices": named("price", required=("input_per_million", "output_per_million")),
            "retention": lambda: section("retention"), "registry": _TEXT,
        },
        "route": {"match": _SCALAR, "to": _TEXT, "continue": {"type": "boolean"}},
        "inhibition": {"source": _SCALAR, "target": _SCALAR, "equal": _NAMES},
        "responder": {
            "deadline": _DURATION, "rules": named("rule", required=("when", "verdict")), "score": lambda: _score(section),
            "llm": lambda: section("llm", required=("model", "prompt", "fields", "verdicts", "reason_codes")),
            "human": lambda: section("human", required=("levels", "default")), "default": _VERDICT,
            "actions": {"type": "object", "additionalProperties": {"type": "array", "items": _action()}},
        },
        "rule": {"when": _SCALAR, "verdict": _VERDICT, "hard": {"type": "boolean"}},
        "score tier": {"model": {"type": "string", "pattern": "^[a-z][a-z0-9_-]*@[0-9.]+$"}},
        "llm": {
            **dict.fromkeys(("model", "fallback", "url", "key", "prompt"), _TEXT), "fields": _NAMES, "verdicts": _VERDICTS,
            "reason_codes": _NAMES, "budget": lambda: section("budget"), "on_failure": _VERDICT, "cache": _DURATION,
            **dict.fromkeys(("requests_per_minute", "tokens_per_minute", "slots"), _COUNT),
        },
        "budget": {
            "per_hour": _MONEY, "per_day": _MONEY, "timeout": _DURATION, "tokens_per_call": _COUNT,
            "per_pattern": {"type": "object", "additionalProperties": _RATE},
            **{f"{unit}_per_{window}": _COUNT for unit in ("calls", "tokens") for window in ("hour", "day")},
        },
        "human": {
            "levels": lambda: {"type": "array", "items": section("level", required=("to", "within")), "minItems": 1},
            "quiet_hours": _CALENDAR, "default": _VERDICT, "verdicts": _VERDICTS,
        },
        "level": {"to": _TEXT, "within": _DURATION},
        "price": {"input_per_million": _PRICE, "output_per_million": _PRICE},
        "retention": {"flags": _LONG, "llm_bodies": _LONG, "audit": _LONG},
    }  # fmt: skip


def _score(section: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    thresholds = {"^[a-z][a-z0-9_]*_(below|above)$": {"type": "number"}}
    return {**section("score tier", required=("model",)), "patternProperties": thresholds}


def _action() -> dict[str, Any]:
    """One kind with its target, and what takes it back."""
    kinds = dict.fromkeys(KINDS, _TEXT)
    undo = {"type": "object", "properties": kinds, "additionalProperties": False, "minProperties": 1, "maxProperties": 1}
    whole = {"type": "object", "properties": {**kinds, "undo": undo}, "additionalProperties": False}
    return {**whole, "anyOf": [{"required": [kind]} for kind in KINDS]}
