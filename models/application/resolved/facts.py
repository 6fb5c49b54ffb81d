"""What is computed of events: features, scores, labels and rollups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from models.application.resolved.places import By, Position
from models.expressions.expression import Expression
from models.values.types import Type

Aggregate = Literal[
    "count", "sum", "mean", "min", "max", "std", "distinct", "first", "last", "quantile",
    "previous", "since_last", "is_new", "ratio",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Feature:
    """A number (or value) kept per key over a window (t - over - delay, t - delay]; ``over`` None means all of the past.

    ``value`` is what the aggregate is of (None for count and since_last); for ``ratio`` the condition. ``event``: the
    ``previous: event`` form, whose columns are ``name[role].field`` for each name in ``event_fields`` (those that are read).
    """

    name: str
    place: int
    aggregate: Aggregate
    of: str
    by: By
    type: Type
    value: Expression | None = None
    over: int | None = None
    where: Expression | None = None
    delay: int = 0
    exclude_current: bool = False
    every: int | None = None
    ttl: int = 90 * 86_400_000_000
    q: float = 0.5
    n: int = 1
    skip_null: bool = False
    event: bool = False
    event_fields: tuple[str, ...] = ()
    event_types: Mapping[str, Type] = field(default_factory=dict)
    position: Position | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """Windows of a rollup: [start, end) of ``size`` microseconds, one every ``step`` (tumbling: its size; session: the gap).

    Starts are multiples of ``step`` since 1970-01-01 UTC, or of whole days in the zone ``tz``; ``fill``: windows without an event
    have rows too until a key was silent so long.
    """

    kind: Literal["tumbling", "hopping", "session", "label"]
    size: int
    step: int
    fill: int | None = None
    tz: str = ""


@dataclass(frozen=True, slots=True)
class Label:
    """What rows of the stream ``source`` tell of events later: the last ``value`` where ``matches`` holds what ``match`` holds.

    default: what an event has of which nothing was told (None: NULL), over the event's own row.
    """

    name: str
    source: str
    match: str
    matches: str
    value: Expression
    default: Expression | None


@dataclass(frozen=True, slots=True)
class Rollup:
    """A stream of rows that tell of windows of another. ``place`` is its position among rollups and patterns in the file.

    label: set where the rows are the events themselves, ``window.size`` after each, with what was told of them until then;
    carries: the columns that somebody reads of these.
    """

    name: str
    place: int
    of: str
    by: By
    window: Window
    select: tuple[Feature, ...]
    position: Position | None = None
    label: Label | None = None
    carries: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Score:
    """An anomaly score: ``zscore`` of a value per key, or ``points`` (what holds, summed; ``value`` is the whole sum)."""

    name: str
    place: int
    kind: Literal["zscore", "points"]
    of: str | None
    by: By
    value: Expression
    over: int | None = None
    where: Expression | None = None
    delay: int = 0
    exclude_current: bool = False
    min_count: int = 2
    learn_below: float | None = None
    ttl: int = 90 * 86_400_000_000
    points: tuple[tuple[Expression, float], ...] = ()
    position: Position | None = None
