"""Patterns: what they look for, when they speak, and what they say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from models.application.resolved.places import By, Position
from models.application.resolved.steps import AbsenceSpec, SequenceSpec
from models.expressions.expression import Expression
from models.expressions.facts import Calendar

Severity = Literal["info", "low", "medium", "high", "critical"]
Mode = Literal["live", "shadow", "part", "off"]


@dataclass(frozen=True, slots=True)
class Hold:
    """``hold``: TRUE in at least ``count`` of the last ``of`` events, or at every event for ``time`` microseconds."""

    count: int = 0
    of: int = 0
    time: int | None = None


@dataclass(frozen=True, slots=True)
class Suppress:
    """How hits become fewer flags; at most one of cooldown, debounce, batch. ``per`` names another key's fields."""

    cooldown: int | None = None
    debounce: int | None = None
    max_wait: int | None = None
    batch_over: int | None = None
    batch_max: int | None = None
    limit_count: int | None = None
    limit_over: int | None = None
    per: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Template:
    """A text with values in it: plain parts and expressions in turn. ``source`` is the text as written."""

    source: str
    parts: tuple[str | Expression, ...]


@dataclass(frozen=True, slots=True)
class Active:
    """When a pattern counts: inside (or outside) the spans of a calendar."""

    calendar: Calendar
    inside: bool


@dataclass(frozen=True, slots=True)
class Pattern:
    """What to flag. ``place`` is its position among rollups and patterns in the file.

    sequence, absence: what the pattern looks for where it is more than a condition; ``on`` is then the stream of its title
    and guard, and ``when`` what a silent key's events fit (of a sequence: true).
    """

    name: str
    place: int
    on: str
    by: By
    when: Expression
    title: Template
    guard: Expression | None = None
    active: Active | None = None
    severity: tuple[tuple[Severity, Expression | None], ...] = (("medium", None),)
    priority: int = 2
    expires: int | None = None
    evidence_last: int = 20
    mode: Mode = "live"
    suppress: Suppress = Suppress()
    trigger: Literal["each", "edge"] = "each"
    hold: Hold | None = None
    clear: Expression | None = None
    on_clear: bool = False
    version: str = "1"
    description: str = ""
    runbook: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    reads: frozenset[str] = frozenset()
    ruleset: str = ""
    position: Position | None = None
    sequence: SequenceSpec | None = None
    absence: AbsenceSpec | None = None

    @property
    def streams(self) -> frozenset[str]:
        """The streams and patterns that it stands on."""
        arms = () if self.sequence is None else self.sequence.arms()
        return frozenset({self.on, *(arm.on for arm in arms)})

    @property
    def decided_by_time(self) -> bool:
        """Whether a deadline may decide its hits: a hold by time, an absence, a last ``not``, a time-out."""
        if self.sequence is not None:
            return self.sequence.timeout or self.sequence.steps[-1].negated
        return self.absence is not None or (self.hold is not None and self.hold.time is not None)

    def reads_of_hits(self) -> set[str]:
        """The columns that guard, title and severity read."""
        parts = [self.guard, *(condition for _, condition in self.severity), *self.title.parts]
        return {column for part in parts if isinstance(part, Expression) for column in part.reads}

    @property
    def has_deadlines(self) -> bool:
        """Whether a deadline may release its flags."""
        return self.decided_by_time or self.suppress.debounce is not None or self.suppress.batch_over is not None
