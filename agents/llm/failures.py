"""Why a model gave no answer that counts, each reason under its own name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "refusal", "length", "content_filter", "schema", "semantic", "timeout", "rate_limit", "budget", "breaker_open", "context",
    "unavailable", "rejected", "ambiguous", "no_model", "no_recording",
]  # fmt: skip
"""refusal, content_filter: the model's or its provider's; length: cut off; schema: not the JSON asked for; semantic: the JSON, with
what may not stand in it; context: too long a request; unavailable: no connection, cut off, 5xx; rejected: another 4xx; ambiguous:
a process died during the call, twice."""

PASSING: frozenset[Kind] = frozenset({"timeout", "rate_limit", "unavailable"})
"""What may be gone at a second try."""
OTHER_MODEL: frozenset[Kind] = PASSING | {"budget", "breaker_open", "rejected"}
"""What need not hold for another model."""
MALFORMED: frozenset[Kind] = frozenset({"schema", "semantic"})
"""What the model may put right when told."""


@dataclass(frozen=True, slots=True)
class Failure:
    """``retry_after``: microseconds that the endpoint asked to wait, None if it said nothing; ``unbilled``: surely not paid for."""

    kind: Kind
    detail: str
    retry_after: int | None = None
    unbilled: bool = False
