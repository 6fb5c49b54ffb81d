"""What is told of a key: attempts, how far each came, and what ended it. Plain data; times in microseconds of event time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from models.events.evidence import Evidence
from models.expressions.blockers import Blocker
from models.expressions.expression import Explanation

How = Literal[
    "flag", "condition", "edge", "hold", "raised", "timeout", "not", "strict", "until", "greedy", "gap", "having", "came", "skip",
    "room", "guard", "inactive", "suppressed", "storm", "open",
]  # fmt: skip
"""What ended an attempt. condition, edge, hold, raised: of a condition's event; came: what was waited for in vain did come."""
Identity = tuple[object, ...]
"""(kind, anchor, deadline): what tells the hits of a pattern and key apart."""


@dataclass(slots=True)
class Ending:
    """What ended an attempt; time None: nothing yet. ``blockers``: leaves of the condition that decided."""

    how: How
    time: int | None
    words: str
    blockers: Sequence[Blocker] = ()


@dataclass(slots=True)
class Taken:
    """An event that a step took, with its condition's tree of values."""

    step: str
    event: Evidence
    tree: Explanation | None = None


@dataclass(slots=True)
class Miss:
    """An event that did not fit a step that waited."""

    step: str
    event: Evidence
    blockers: Sequence[Blocker]
    tree: Explanation | None = None


@dataclass(slots=True)
class Progress:
    """How often a step took an event; most None: without end."""

    step: str
    taken: int
    least: int
    most: int | None
    optional: bool = False


@dataclass(slots=True)
class Attempt:
    """One attempt of a pattern for a key.

    began: its first event's time; waits: the steps that it still waited for; near: the events that came closest to them; others:
    how many more ways to go on from its first event there were; hit: what identifies the hit that it made; flag: its id.
    """

    began: int
    taken: list[Taken] = field(default_factory=list)
    progress: list[Progress] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)
    near: list[Miss] = field(default_factory=list)
    ending: Ending | None = None
    others: int = 0
    hit: Identity | None = None
    flag: str | None = None

    @property
    def ended(self) -> int:
        """When it ended, far away while it is open."""
        return 2**63 - 1 if self.ending is None or self.ending.time is None else self.ending.time
