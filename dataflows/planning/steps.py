"""The parts of a plan: lanes into a stage, and the steps that a stage takes with a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from models.application.resolved.application import Application
from models.application.resolved.facts import Feature, Rollup, Score
from models.application.resolved.patterns import Pattern
from models.application.resolved.sources import Join
from models.expressions.expression import Expression

SOURCE = -1
"""The origin of rows that passed no stage yet."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One way into a stage: rows of a stream (or changes of a table) keyed by ``fields``; only a primary lane goes on."""

    source: str
    fields: tuple[str, ...]
    primary: bool
    table: bool = False


@dataclass(frozen=True, slots=True)
class Derive:
    """A column computed from a row alone: a derived field, or another pattern's truth."""

    stream: str
    column: str
    expression: Expression


@dataclass(frozen=True, slots=True)
class Lookup:
    """A join with a table, as of the row's time."""

    stream: str
    join: Join
    columns: tuple[str, ...]

    @property
    def reads(self) -> frozenset[str]:
        """What a row must have for it: the key's fields, and of a comparison what is compared."""
        return frozenset([*self.join.on, *([*self.columns, "op"] if self.join.compares else [])])


@dataclass(frozen=True, slots=True)
class Wave:
    """Features that can be computed together, and the streams that read each (feature name → streams)."""

    features: tuple[Feature, ...]
    readers: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Scoring:
    """Scores that learn per key, and the streams that read each."""

    scores: tuple[Score, ...]
    readers: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Suppression:
    """The suppression of a pattern's hits by another key than its own."""

    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Storming:
    """The limit on all of a pattern's flags, in a stage with one key."""

    pattern: Pattern


Step = Derive | Lookup | Wave | Scoring | Rollup | Pattern | Suppression | Storming


def hits_of(pattern: str) -> str:
    """The name of the rows in which a pattern's hits travel to the stage that suppresses them."""
    return f"{_HITS}{pattern}"


def flags_before_storm(pattern: str) -> str:
    """The name of the rows in which a pattern's flags travel to the stage that counts them all."""
    return f"{_FLAGS}{pattern}"


def raises(step: Step, storm: bool) -> list[str]:
    """The names of the rows that a step makes of what it raises."""
    if isinstance(step, Pattern) and step.suppress.per:
        return [hits_of(step.name)]
    if not isinstance(step, Pattern | Suppression):
        return []
    pattern = step.pattern if isinstance(step, Suppression) else step
    return [pattern.name, *([flags_before_storm(pattern.name)] if storm and pattern.mode != "part" else [])]


_HITS, _FLAGS = "hits of ", "flags of "


@dataclass(slots=True)
class Stage:
    """All that is done by one key. ``fields`` says which fields hold it on each stream that passes through."""

    index: int
    entity: tuple[str, ...]
    fields: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lanes: list[Lane] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    def lane(self, source: str, fields: tuple[str, ...], *, primary: bool, table: bool = False) -> int:
        """The index of a lane, made where there is none yet."""
        wanted = Lane(source, fields, primary, table)
        if wanted not in self.lanes:
            self.lanes.append(wanted)
        return self.lanes.index(wanted)


@dataclass(frozen=True, slots=True)
class Plan:
    """The compiled application.

    prelude: columns computed per stream before any stage; targets: where rows of a stream go after an origin (SOURCE or a
    stage's index), as (stage, lane); columns: what must be carried into each (stage, lane); wanted: the fields that decoding
    keeps for each source; outputs: the columns with which rows of a stream come out at the end; last: the last stage that
    each stream's rows pass; passed: for each pattern whose flags are rows for others, the columns of its own rows that go along.
    """

    application: Application
    stages: tuple[Stage, ...]
    prelude: Mapping[str, tuple[Step, ...]]
    targets: Mapping[tuple[int, str], tuple[tuple[int, int], ...]]
    columns: Mapping[tuple[int, int], frozenset[str]]
    wanted: Mapping[str, frozenset[str]]
    outputs: Mapping[str, frozenset[str]]
    last: Mapping[str, int]
    passed: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def depth(self, stream: str) -> int:
        """How many numbers follow (time, partition, offset) in the order of a stream's rows."""
        rollup = self.application.rollups.get(stream)
        if rollup is not None:
            return self.depth(rollup.of) + 5
        pattern = self.application.patterns.get(stream.removeprefix(_HITS).removeprefix(_FLAGS))
        return 0 if pattern is None else self.depth(pattern.on) + (5 if pattern.has_deadlines else 2)

    @property
    def sources(self) -> tuple[str, ...]:
        """Tables that change, then streams, in the order of the file: the order of their partitions."""
        tables = [name for name, table in self.application.tables.items() if not table.static]
        return (*tables, *self.application.streams)
