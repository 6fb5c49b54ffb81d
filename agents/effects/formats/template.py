"""A body of the user's own: JSON, or text, with ``{{ path }}`` where values go.

In JSON a text that is nothing but one ``{{ path }}`` becomes the value itself, and values only ever land inside texts: no payload
can change the body's form. A path goes through the CloudEvent that the format cloudevents would send:
``{{ data.decision.verdict }}``.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from agents.effects.formats.cloudevents import event
from agents.effects.formats.rendered import Rendered
from agents.effects.message import Message

_HOLE = re.compile(r"\{\{\s*([\w.-]+)\s*\}\}")


def render(message: Message, template: str) -> Rendered:
    """The template with its holes filled; what is not there is null in JSON and nothing in text."""
    values = event(message)
    try:
        whole = json.loads(template)
    except ValueError:
        return Rendered(_filled(template, values).encode(), "text/plain; charset=UTF-8")
    return Rendered(orjson.dumps(_within(whole, values)))


def _within(value: Any, values: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _within(each, values) for key, each in value.items()}
    if isinstance(value, list):
        return [_within(each, values) for each in value]
    if not isinstance(value, str):
        return value
    only = _HOLE.fullmatch(value)
    return _at(only[1], values) if only else _filled(value, values)


def _filled(text: str, values: dict[str, Any]) -> str:
    return _HOLE.sub(lambda hole: _text(_at(hole[1], values)), text)


def _at(path: str, values: Any) -> Any:
    for name in path.split("."):
        if isinstance(values, list) and name.isdecimal() and int(name) < len(values):
            values = values[int(name)]
        else:
            values = values.get(name) if isinstance(values, dict) else None
    return values


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else orjson.dumps(value).decode()
