"""A whole application, checked and resolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from models.application.resolved.facts import Feature, Rollup, Score
from models.application.resolved.patterns import Pattern
from models.application.resolved.sources import Stream, Table
from models.expressions.facts import Calendar, ListFact

if TYPE_CHECKING:
    from models.application.respond.resolved import Respond


@dataclass(frozen=True, slots=True)
class Storm:
    """Application-wide: at most ``max`` flags of one pattern in each ``per`` microseconds."""

    max: int
    per: int


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where flags, late events and dead letters go: a file path, a Kafka topic ``(connection, topic)``, or None."""

    to: str | tuple[str, str] | None = None
    late: str | tuple[str, str] | None = None
    dead_letters: str | tuple[str, str] | None = None
    source_prefix: str = "/tocsin"
    type_prefix: str = "tocsin.flag"


@dataclass(frozen=True, slots=True)
class Application:
    """A whole application, ready to be planned. ``tests`` holds the inline tests as ``models.application.tests`` made them."""

    name: str
    version: str
    path: str
    streams: Mapping[str, Stream]
    tables: Mapping[str, Table] = field(default_factory=dict)
    features: Mapping[str, Feature] = field(default_factory=dict)
    scores: Mapping[str, Score] = field(default_factory=dict)
    patterns: Mapping[str, Pattern] = field(default_factory=dict)
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    lists: Mapping[str, ListFact] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    outputs: Outputs = Outputs()
    storm: Storm | None = None
    tests: tuple[Any, ...] = ()
    max_dead: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    text: str = ""
    sha256: str = ""
    flags_of: Mapping[str, Stream] = field(default_factory=dict)
    rollups: Mapping[str, Rollup] = field(default_factory=dict)
    connections: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    registries: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    respond: Respond | None = None

    def stream(self, name: str) -> Stream:
        """A stream of events, of a pattern's flags, or of a rollup's rows."""
        return self.streams[name] if name in self.streams else self.flags_of[name]

    def base(self, name: str) -> Stream:
        """The stream of events below rollups and patterns: of a sequence that of its completing events."""
        while name not in self.streams:
            name = self.rollups[name].of if name in self.rollups else self.patterns[name].on
        return self.streams[name]

    def below_flags(self, name: str) -> Stream:
        """The stream of events or rollup below patterns, whose completing event stands for each flag."""
        while name in self.patterns:
            name = self.patterns[name].on
        return self.stream(name)
