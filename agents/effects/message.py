"""What an endpoint is told: a decision about a flag, or a question to people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Message:
    """One effect's content; formats render it.

    key: the effect's, equal on every attempt; action: what is asked for (a verdict, or the name of the compensation);
    decision: as contracts say, {} while there is none; flag: the structured CloudEvent, {} once erased; undoes: key of the effect
    that this takes back; task: an open question (id, level, due, link), {} where there is none; time: microseconds;
    opened: the severity with which the flag's episode began, where another flag began it.
    """

    key: str
    action: str
    time: int
    decision: Mapping[str, Any] = field(default_factory=dict)
    flag: Mapping[str, Any] = field(default_factory=dict)
    undoes: str = ""
    task: Mapping[str, Any] = field(default_factory=dict)
    traceparent: str = ""
    opened: str = ""

    @property
    def pattern(self) -> Mapping[str, Any]:
        """The pattern's part of the flag."""
        found: Mapping[str, Any] = self.flag.get("data", {}).get("pattern", {})
        return found

    @property
    def cleared(self) -> bool:
        """Whether the flag says that its episode is over."""
        return bool(self.pattern.get("kind") == "cleared")

    @property
    def title(self) -> str:
        """The flag in a line."""
        return str(self.pattern.get("title") or self.decision.get("pattern") or f"flag {self.flag_id}")

    @property
    def flag_id(self) -> str:
        """The flag's id."""
        return str(self.flag.get("id") or self.decision.get("flag") or self.task.get("flag") or "")

    @property
    def severity(self) -> str:
        """The flag's severity."""
        return str(self.flag.get("severity") or "medium")

    @property
    def dedup_key(self) -> str:
        """The same for all flags of one episode."""
        return str(self.flag.get("dedupkey") or self.flag_id)
