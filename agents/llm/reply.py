"""The body of a chat completion, read without trust."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from agents.llm.failures import Failure, Kind

_ENDINGS: dict[str, Kind] = {"length": "length", "content_filter": "content_filter"}


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the endpoint counted them."""

    tokens_in: int
    tokens_out: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What an endpoint answered. ``failure``: why its text is no answer; ``usage``: None where it makes no sense."""

    body: str
    text: str = ""
    failure: Failure | None = None
    usage: Usage | None = None
    model: str = ""
    finish_reason: str = ""
    fingerprint: str = ""


def read_reply(body: bytes, most_in: int, most_out: int) -> Reply:
    """A completion's bytes; ``most_in`` and ``most_out``: tokens that it cannot have more of."""
    raw = body.decode(errors="replace")
    try:
        found = orjson.loads(body)
        choice = found["choices"][0]
        message = choice["message"]
        text, refusal = message.get("content"), message.get("refusal")
    except (ValueError, LookupError, TypeError, AttributeError):
        return Reply(raw, failure=Failure("schema", "the endpoint's answer is no chat completion"))
    ending = _text(choice.get("finish_reason"))
    failure: Failure | None = None
    if refusal:
        failure = Failure("refusal", _text(refusal)[:300])
    elif ending in _ENDINGS:
        failure = Failure(_ENDINGS[ending], f"the endpoint ended it with {ending}")
    elif not isinstance(text, str) or not text.strip():
        failure = Failure("schema", "the answer is empty")
    return Reply(
        raw, _text(text), failure, _usage(found.get("usage"), most_in, most_out), _text(found.get("model")), ending,
        _text(found.get("system_fingerprint")),
    )  # fmt: skip


def _usage(found: Any, most_in: int, most_out: int) -> Usage | None:
    """Tokens, where they are numbers that can be true: what is counted wrong is charged as reserved."""
    if not isinstance(found, dict):
        return None
    tokens_in, tokens_out = found.get("prompt_tokens"), found.get("completion_tokens")
    if type(tokens_in) is not int or type(tokens_out) is not int:
        return None
    return Usage(tokens_in, tokens_out) if 0 < tokens_in <= most_in and 0 <= tokens_out <= most_out else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
