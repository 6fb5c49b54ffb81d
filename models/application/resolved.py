"""An application as the rest of Tocsin sees it: checked, typed, defaults filled in, expressions compiled.

All durations are int64 microseconds. Column names in a row's environment: a field by its own name, a join's column as
``join.column``, a feature or score as ``name[field]`` where ``field`` is the stream's field (several joined by a comma) that
plays the entity's role (``name[]`` without an entity), another pattern's truth as ``pattern:NAME``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from models.expressions.expression import Expression
from models.expressions.facts import Calendar, ListFact
from models.values.types import Type

if TYPE_CHECKING:
    from models.application.respond.resolved import Respond
    from models.application.steps import AbsenceSpec, SequenceSpec

Aggregate = Literal[
    "count", "sum", "mean", "min", "max", "std", "distinct", "first", "last", "quantile",
    "previous", "since_last", "is_new", "ratio",
]  # fmt: skip
Severity = Literal["info", "low", "medium", "high", "critical"]
Mode = Literal["live", "shadow", "part", "off"]
Format = Literal["json", "csv", "parquet", "debezium", "cloudevents", "avro"]


@dataclass(frozen=True, slots=True)
class Position:
    """Where something stands in a file; line and column from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class FileInput:
    """Files by glob, relative paths resolved; one partition, or each file one with ``as_partitions``."""

    globs: tuple[str, ...]
    as_partitions: bool = False


@dataclass(frozen=True, slots=True)
class KafkaInput:
    """Topics of a connection, in the order given."""

    connection: str
    topics: tuple[str, ...]


Input = FileInput | KafkaInput


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A declared field; ``path`` is where it stands in the input (its own name if not nested)."""

    name: str
    type: Type
    path: tuple[str, ...]
    pii: str | None = None


@dataclass(frozen=True, slots=True)
class Join:
    """Columns of a table read as of the event's time; ``on`` is a column of the row (a field, derived, or ``join.column``).

    compares: fields of a stream of changes whose values are compared with those of the row that the table held before the same
    change; empty for a join that gives the table's columns.
    """

    name: str
    table: str
    on: tuple[str, ...]
    compares: tuple[str, ...] = ()

    def column(self, name: str) -> str:
        """What a row calls a column of the table."""
        return f"changed({name})" if self.compares else f"{self.name}.{name}"


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream of events. ``place``: its position in the order of streams, from 0; ``key``: of its changes, where known.

    pattern: the pattern whose flags these are (None: events come in from outside); its fields are those of the completing
    event (declared, derived, joined) and ``flag.severity``, ``flag.kind``, ``flag.steps``; shown: fields that evidence shows
    beside those of the event's own row; rollup: the rollup whose rows these are; compared: the table that says what a change
    changed, where images before do not.
    """

    name: str
    place: int
    input: Input | None
    format: Format
    time: str
    fields: Mapping[str, FieldSpec]
    lateness: int = 0
    max_ahead: int | None = None
    id: str | None = None
    dedup: int | None = None
    partitioned_by: tuple[str, ...] = ()
    where: Expression | None = None
    correlation: str | None = None
    before_full: bool = False
    snapshot: bool = False
    key: tuple[str, ...] = ()
    joins: Mapping[str, Join] = field(default_factory=dict)
    compared: Join | None = None
    derive: Mapping[str, Expression] = field(default_factory=dict)
    idle_after: int = 1_000_000
    position: Position | None = None
    pattern: str | None = None
    shown: tuple[str, ...] = ()
    rollup: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table fed by changes (debezium), or read once from files (``static``). ``place`` counts tables from 0.

    ``time`` is the field with a change's time (debezium: None means the envelope's). ``wait``: how long joining streams wait for
    it live; ``heartbeat``: the topic of its connector's heartbeats.
    """

    name: str
    place: int
    input: Input | None
    format: Format
    key: tuple[str, ...]
    fields: Mapping[str, FieldSpec]
    time: str | None = None
    lateness: int = 0
    valid_from: str | None = None
    static: bool = False
    idle_after: int = 1_000_000
    wait: int = 0
    heartbeat: KafkaInput | None = None
    position: Position | None = None


@dataclass(frozen=True, slots=True)
class By:
    """An entity and the fields of a row that hold its key; both empty: one key for the whole stream."""

    entity: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()

    @property
    def role(self) -> str:
        """How column names write it."""
        return ",".join(self.fields)


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
