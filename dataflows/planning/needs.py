"""What an application has to compute on each stream, as a graph of nodes: what each needs, gives, and by which key."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dataflows.planning.steps import Derive, Lookup, Storming, Suppression, flags_before_storm, hits_of
from models.application.resolved.application import Application
from models.application.resolved.facts import Feature, Label, Rollup, Score
from models.application.resolved.patterns import Pattern
from models.application.resolved.sources import Join, Stream
from models.application.resolved.steps import Arm, Until
from models.application.stepscope import PREFIX, look_back
from models.expressions.expression import Expression

_FACT = re.compile(r"(\w+)\[([^\]]*)\](?:\.(.+))?")
_TRUTH, _CHANGED = "pattern:", "changed("
Lane = tuple[str, tuple[str, ...]]
"""A stream, and the fields by which its rows are keyed."""
RAISED = "flag.kind"
"""A column that rows of a pattern's flags have once the pattern was evaluated: all that reads them needs it."""


@dataclass(frozen=True, slots=True)
class Key:
    """An entity and the fields that hold it on one stream."""

    entity: tuple[str, ...]
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Feed:
    """Rows of a stream that a fact learns from: which fields hold their key, and which columns they must have."""

    stream: str
    fields: tuple[str, ...]
    needs: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One thing to compute on one stream's rows; without a key it takes the row alone."""

    stream: str
    name: str
    needs: frozenset[str]
    gives: frozenset[str]
    step: Derive | Lookup | Feature | Score | Rollup | Pattern | Suppression | Storming
    key: Key | None = None
    feeds: tuple[Feed, ...] = ()


def nodes_of(application: Application, features_of: frozenset[str]) -> list[Node]:
    """Everything that patterns (and ``features_of`` streams) need, directly or not."""
    collector = _Collector(application)
    for stream in application.streams.values():
        collector.need(stream, stream.derive)
    for name in sorted(features_of):
        collector.need(application.streams[name], readings(application, application.streams[name]))
    patterns = [pattern for pattern in application.patterns.values() if pattern.mode != "off"]
    for pattern in patterns:
        for (name, _), needed in inputs_of(application, pattern).items():
            collector.need(application.stream(name), needed)
    nodes = [_pattern_node(application, pattern, collector.passed) for pattern in patterns]
    nodes += [_suppression_node(pattern) for pattern in patterns if pattern.suppress.per]
    if application.storm is not None:
        nodes += [_storm_node(pattern) for pattern in patterns if pattern.mode != "part"]
    return [*collector.nodes(), *nodes]


def readings(application: Application, stream: Stream) -> list[str]:
    """The columns of all features and scores that a stream's rows can read, each in its own role."""
    available = {*stream.fields, *stream.derive}
    names: list[str] = []
    facts: list[Feature | Score] = [*application.features.values(), *application.scores.values()]
    for fact in facts:
        fields = fact.by.fields if fact.of == stream.name else fact.by.entity
        if not set(fields) <= available:
            continue
        name = f"{fact.name}[{','.join(fields)}]"
        if isinstance(fact, Feature) and fact.event:
            names.extend(f"{name}.{field}" for field in fact.event_fields)
        else:
            names.append(name)
    return names


def fact_columns(fact: Feature | Score, fields: tuple[str, ...]) -> list[str]:
    """The columns that a feature or score gives when it is read by ``fields``."""
    name = f"{fact.name}[{','.join(fields)}]"
    if isinstance(fact, Feature) and fact.event:
        return [f"{name}.{field}" for field in fact.event_fields]
    return [name]


def rollup_inputs(rollup: Rollup) -> frozenset[str]:
    """The columns that a row must have for a rollup to tell of it."""
    reads = [fact_inputs(measure) for measure in rollup.select]
    return frozenset(rollup.by.fields).union(rollup.carries, *reads)


def label_inputs(label: Label) -> frozenset[str]:
    """The columns that a row must have to tell a label."""
    return frozenset({label.matches}) | label.value.reads


def fact_inputs(fact: Feature | Score) -> frozenset[str]:
    """The columns that a row of its own stream must have for a feature or score to learn from it."""
    reads: set[str] = set(fact.by.fields)
    for expression in (fact.value, fact.where):
        if expression is not None:
            reads |= expression.reads
    if isinstance(fact, Feature):
        reads |= set(fact.event_fields)
    return frozenset(reads)


def pattern_needs(application: Application, pattern: Pattern) -> frozenset[str]:
    """What a pattern reads, and the derived fields that its evidence shows."""
    stream = application.stream(pattern.on)
    shown = frozenset([*stream.derive, *stream.shown])
    return frozenset(pattern.reads) | frozenset(pattern.by.fields) | frozenset(pattern.suppress.per) | shown


def inputs_of(application: Application, pattern: Pattern) -> dict[Lane, frozenset[str]]:
    """What a pattern needs of each of its inputs: streams, each under the fields that hold the pattern's key."""
    if pattern.sequence is None:
        return {(pattern.on, pattern.by.fields): pattern_needs(application, pattern)}
    found: dict[Lane, set[str]] = {}
    arms = {arm.name: (arm.on, arm.by.fields) for arm in pattern.sequence.arms()}
    whens: list[Arm | Until] = [*pattern.sequence.arms(), *(step.until for step in pattern.sequence.walk() if step.until)]
    for each in whens:
        stream = application.stream(each.on)
        needed = found.setdefault((each.on, each.by.fields), {*each.by.fields, *stream.derive, *stream.shown})
        needed |= set() if each.when is None else each.when.reads
    whole = pattern_reads(pattern)
    for lane, needed in found.items():
        needed |= whole if lane[0] == pattern.on else _readable(application.stream(lane[0]), whole)
    for column in pattern.reads:
        if column.startswith(PREFIX) and (back := look_back(column)).field:
            for arm in back.arms:
                found[arms[arm]].add(back.field)
    return {lane: frozenset(name for name in needed if not name.startswith(PREFIX)) for lane, needed in found.items()}


def _readable(stream: Stream, columns: frozenset[str]) -> set[str]:
    """The features and scores whose entity a stream carries: a match that completes there reads them as of its event."""
    known = {*stream.fields, *stream.derive}
    return {column for column in columns if (found := _FACT.fullmatch(column)) and set(found[2].split(",")) <= known}


def pattern_reads(pattern: Pattern) -> frozenset[str]:
    """What guard, title, severity and ``having`` read."""
    having = None if pattern.sequence is None else pattern.sequence.having
    parts = [pattern.guard, having, *(part for _, part in pattern.severity), *pattern.title.parts]
    return frozenset(column for part in parts if isinstance(part, Expression) for column in part.reads)


def passed_facts(application: Application, stream: Stream) -> frozenset[str]:
    """The features and scores that come with a pattern's flags: those that the pattern reads."""
    if stream.pattern is None:
        return frozenset()
    return frozenset(column for column in application.patterns[stream.pattern].reads if _FACT.fullmatch(column))


def _pattern_node(application: Application, pattern: Pattern, passed: Mapping[str, set[str]]) -> Node:
    inputs = inputs_of(application, pattern)
    own = (pattern.on, pattern.by.fields)
    needs = inputs[own] | passed.get(pattern.name, set())
    feeds = tuple(
        Feed(stream, fields, needed | _raised(application.stream(stream)))
        for (stream, fields), needed in inputs.items() if (stream, fields) != own
    )  # fmt: skip
    return Node(pattern.on, pattern.name, needs, frozenset(), pattern, Key(pattern.by.entity, pattern.by.fields), feeds)


def _suppression_node(pattern: Pattern) -> Node:
    key = Key(pattern.suppress.per, pattern.suppress.per)
    return Node(hits_of(pattern.name), pattern.name, frozenset({RAISED}), frozenset(), Suppression(pattern), key)


def _storm_node(pattern: Pattern) -> Node:
    rows = flags_before_storm(pattern.name)
    return Node(rows, pattern.name, frozenset({RAISED}), frozenset(), Storming(pattern), Key((), ()))


class _Collector:
    """Follows reads from column to column; one node a column, but one a join and one a feature's reading."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.found: dict[tuple[str, str], Node] = {}
        self.joined: dict[tuple[str, Join], list[str]] = {}
        self.passed: dict[str, set[str]] = {}
        self.rollups: dict[str, Node] = {}

    def need(self, stream: Stream, columns: Iterable[str]) -> None:
        """Note that a stream's rows must have these columns."""
        if stream.rollup is not None and stream.rollup not in self.rollups:
            self._rollup(self.application.rollups[stream.rollup])
        if stream.pattern is not None:
            columns = self._pass(stream, stream.pattern, columns)
        for column in sorted(columns):
            if column not in stream.fields and (stream.name, column) not in self.found:
                self._column(stream, column)

    def _pass(self, stream: Stream, pattern: str, columns: Iterable[str]) -> list[str]:
        """Have a pattern's flags carry columns of its rows; those that its flags do not have."""
        known = {*stream.fields, *passed_facts(self.application, stream)}
        given = {column for column in columns if column in known}
        rows = {column for column in given if not column.startswith("flag.")}
        fresh = rows - self.passed.setdefault(pattern, set())
        self.passed[pattern] |= fresh
        if fresh:
            self.need(self.application.stream(self.application.patterns[pattern].on), fresh)
        return [column for column in columns if column not in given]

    def nodes(self) -> list[Node]:
        """All nodes, each once."""
        joins = [self._join_node(stream, join, columns) for (stream, join), columns in self.joined.items()]
        return [*dict.fromkeys(self.found.values()), *joins, *self.rollups.values()]

    def _column(self, stream: Stream, column: str) -> None:
        name, _, rest = column.partition(".")
        if column in stream.derive:
            self._derive(stream, column, stream.derive[column])
        elif column.startswith(_TRUTH):
            self._derive(stream, column, self.application.patterns[column.removeprefix(_TRUTH)].when)
        elif found := _FACT.fullmatch(column):
            self._fact(stream, column, found[1], tuple(found[2].split(",")) if found[2] else ())
        elif column.startswith(_CHANGED) and stream.compared is not None:
            self._join(stream, stream.compared, column[len(_CHANGED) : -1])
        elif name in stream.joins:
            self._join(stream, stream.joins[name], rest)

    def _join(self, stream: Stream, join: Join, column: str) -> None:
        columns = self.joined.setdefault((stream.name, join), [])
        if column not in columns:
            columns.append(column)
            self.need(stream, join.on)

    def _derive(self, stream: Stream, column: str, expression: Expression) -> None:
        step = Derive(stream.name, column, expression)
        needs = expression.reads | _raised(stream)
        self.found[stream.name, column] = Node(stream.name, column, needs, frozenset({column}), step)
        self.need(stream, expression.reads)

    def _rollup(self, rollup: Rollup) -> None:
        of = self.application.stream(rollup.of)
        needed = rollup_inputs(rollup)
        feed = Feed(rollup.of, rollup.by.fields, needed | _raised(of))
        feeds: tuple[Feed, ...] = (feed,)
        if rollup.label is not None:
            told = label_inputs(rollup.label)
            feeds = (feed, Feed(rollup.label.source, (rollup.label.matches,), told))
            self.need(self.application.stream(rollup.label.source), told)
        key, gives = Key(rollup.by.entity, rollup.by.entity), frozenset(self.application.stream(rollup.name).fields)
        self.rollups[rollup.name] = Node(rollup.name, rollup.name, frozenset(), gives, rollup, key, feeds)
        self.need(of, needed)

    def _join_node(self, stream: str, join: Join, columns: list[str]) -> Node:
        table = self.application.tables[join.table]
        key = None if table.static else Key(table.key, join.on)
        step = Lookup(stream, join, tuple(columns))
        return Node(stream, f"join {join.name}", frozenset(join.on), frozenset(map(join.column, columns)), step, key)

    def _fact(self, stream: Stream, column: str, name: str, fields: tuple[str, ...]) -> None:
        fact = self.application.features.get(name) or self.application.scores[name]
        if isinstance(fact, Score) and fact.kind == "points":
            self._derive(stream, column, fact.value)
            return
        of = self.application.stream(fact.of or stream.name)
        gives = frozenset(fact_columns(fact, fields))
        feed = Feed(of.name, fact.by.fields, fact_inputs(fact) | _raised(of))
        node = Node(
            stream.name, name, frozenset(fields) | _raised(stream), gives, fact, Key(fact.by.entity, fields), (feed,)
        )  # fmt: skip
        self.found.update({(stream.name, given): node for given in gives})
        self.need(stream, fields)
        self.need(of, feed.needs)


def _raised(stream: Stream) -> frozenset[str]:
    return frozenset({stream.time} if stream.rollup else () if stream.pattern is None else {RAISED})
