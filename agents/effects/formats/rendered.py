"""What a format gives: the bytes to send and what they are."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Rendered:
    """A request's body; ``headers`` beyond content-type and signatures."""

    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


class NotPossible(Exception):
    """This message cannot be told in this format; the text says why."""
