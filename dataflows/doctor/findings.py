"""A finding: what was looked at, how it is, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "fault"]


@dataclass(frozen=True, slots=True)
class Finding:
    """``about``: what was looked at; ``text``: how it is; ``cure``: what to do, empty where all is well."""

    level: Level
    about: str
    text: str
    cure: str = ""


def ok(about: str, text: str) -> Finding:
    """All is well."""
    return Finding("ok", about, text)


def warning(about: str, text: str, cure: str) -> Finding:
    """A run works, and not as well as it could."""
    return Finding("warning", about, text, cure)


def fault(about: str, text: str, cure: str) -> Finding:
    """A run would not begin, would end, or would tell what is wrong."""
    return Finding("fault", about, text, cure)


def problem(about: str, message: str) -> Finding:
    """An error's message as a fault: what follows its last full stop, or semicolon, is the cure.

    >>> problem("broker main", "No broker answers. Check that Kafka runs").cure
    'check that Kafka runs'
    """
    text, _, cure = message.rpartition(". " if ". " in message else "; ")
    return fault(about, text or message, cure[:1].lower() + cure[1:] if text else "mend it, and ask again")
