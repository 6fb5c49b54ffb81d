"""What a run tells of itself: a sentence for people that is an event with fields for machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Level = Literal["debug", "info", "warning", "error", "critical"]


class Notice(str):
    """A sentence; ``event``: its kind, in snake case; ``fields``: what it speaks of. It holds no secrets and no values of events.

    >>> notice = Notice("broker_back", "the broker answers", connection="main")
    >>> notice, notice.event, notice.level, notice.fields
    ('the broker answers', 'broker_back', 'info', {'connection': 'main'})
    """

    event: str
    level: Level
    fields: Mapping[str, Any]

    def __new__(cls, event: str, text: str, level: Level = "info", **fields: Any) -> Notice:
        """A sentence with its event."""
        found = super().__new__(cls, text)
        found.event, found.level, found.fields = event, level, fields
        return found
