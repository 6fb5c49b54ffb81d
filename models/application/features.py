"""Features and scores: facts about an entity as of a moment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import get_args

from models.application.derived import FlagStreams
from models.application.labels import LabelReader
from models.application.nodes import Node
from models.application.reader import Reader
from models.application.resolved.facts import Aggregate, Feature, Rollup, Score
from models.application.resolved.places import By
from models.application.resolved.sources import Stream, Table
from models.application.scopes import RowScope
from models.expressions.compile import suggest
from models.expressions.expression import Expression, points
from models.values.types import BOOL, FLOAT, INT, INTERVAL, STRING, Kind, Type, decimal

AGGREGATES: tuple[str, ...] = get_args(Aggregate)
SCORES = ("zscore", "points")
_LATER = ("mad", "seasonal", "isolation_forest", "half_space", "model")
_OPTIONS = {"q": ("quantile",), "n": ("previous",), "skip_null": ("previous", "first", "last")}
_CONDITIONS = frozenset({"ratio"})
_NUMBERS = frozenset({"sum", "mean", "std", "quantile", "min", "max"})


def by_of(reader: Reader, node: Node | None) -> By:
    """An entity and its fields: ``card_id``, a list, or ``{account: to_account}``."""
    if node is None:
        return By()
    if node.kind != "scalar" and not (node.map or node.items):
        reader.problems.add(
            node.position, f"expected by as a field, a list of fields or {{ENTITY: FIELD}}; found {node.shown()} of nothing"
        )
        return By()
    if node.is_map:
        return By(tuple(node.map), tuple(reader.text(value, "by") for value in node.map.values()))
    names = reader.names(node, "by")
    return By(names, names)


class FactReader:
    """Resolves features and scores when they are first read, so that one may read another; finds cycles."""

    def __init__(
        self, reader: Reader, streams: Mapping[str, Stream], tables: Mapping[str, Table], flags: FlagStreams | None = None
    ) -> None:
        self.flags = flags or FlagStreams(reader, streams, tables, None)
        self.reader = reader
        self.streams = streams
        self.tables = tables
        self.entries: dict[str, tuple[str, Node, int | None]] = {}
        self.done: dict[str, Feature | Score | None] = {}
        self.path: list[str] = []

    def add(self, features: Node | None, scores: Node | None) -> None:
        """Note all names; ``over`` lists make one feature each."""
        for name, entry in self.reader.named(features, "feature"):
            overs = entry.map["over"].items if entry.is_map and "over" in entry.map and entry.map["over"].kind == "list" else []
            for over in overs:
                self._enter(f"{name}_{over.text}", entry, self.reader.duration(over, "over", least=1), features)
            if not overs:
                self._enter(name, entry, None, features)
        for name, entry in self.reader.named(scores, "score"):
            if name in self.entries:
                place = self.reader.problems
                place.add(scores.keys[name] if scores else entry.position, f"{name!r} is both a feature and a score; rename one")
            self.entries[name] = ("score", entry, None)

    def _enter(self, name: str, entry: Node, over: int | None, features: Node | None) -> None:
        if name in self.entries:
            self.reader.problems.add(entry.position, f"feature {name!r} is defined twice, since over: [..] names them; rename one")
        self.entries[name] = ("feature", entry, over)

    def fact(self, name: str) -> Feature | Score | None:
        """A feature or score by name, resolved on the way; None where there is none."""
        if name not in self.entries:
            return None
        if name not in self.done:
            kind, entry, over = self.entries[name]
            if name in self.path:
                ring = " -> ".join([*self.path[self.path.index(name) :], name])
                self.reader.problems.add(entry.position, f"features read each other in a circle: {ring}")
                return None
            self.path.append(name)
            self.done[name] = self._feature(name, entry, over) if kind == "feature" else self._score(name, entry)
            self.path.pop()
        return self.done[name]

    def all(self) -> None:
        """Resolve all."""
        for name in self.entries:
            self.fact(name)

    def scope(self, stream: Stream, by: By | None = None, patterns: frozenset[str] = frozenset()) -> RowScope:
        """What names mean on a stream's rows."""
        derived = {name: expression.type for name, expression in stream.derive.items()}
        return RowScope(stream, self.reader.params, self.tables, derived, self.fact, self.entries, patterns, by)

    def stream_of(self, entry: Node, values: dict[str, Node], by: By, expressions: list[Node]) -> Stream | None:
        """The stream a fact learns from: named, or the only one that carries all it names."""
        problems = self.reader.problems
        if "of" in values:
            name = self.reader.text(values["of"], "of")
            stream = self.flags.stream(name)
            if stream is None:
                if not self.flags.knows(name):
                    problems.unknown(values["of"].position, "stream, rollup or pattern", name, self.flags.names())
                return None
            return self._carrying(stream, entry, by)
        words = {w for node in expressions for w in _words(node.text or "")}
        named = {w for w in words if any(w in s.fields or w in s.derive for s in self.streams.values())}
        fitting = [stream for stream in self.streams.values() if {*by.fields, *named} <= {*stream.fields, *stream.derive}]
        if len(fitting) != 1:
            found = ", ".join(stream.name for stream in fitting) or "none"
            if len(self.streams) == 1 and not fitting:
                return self._carrying(next(iter(self.streams.values())), entry, by)
            problems.add(entry.position, f"expected of: STREAM, since not exactly one stream fits; found {found}")
            return None
        return fitting[0]

    def _carrying(self, stream: Stream, entry: Node, by: By) -> Stream | None:
        for name in by.fields:
            if name not in stream.fields and name not in stream.derive:
                known = [*stream.fields, *stream.derive]
                self.reader.problems.unknown(entry.map.get("by", entry).position, f"field of {stream.name}", name, known)
                return None
        return stream

    def _feature(self, name: str, entry: Node, over: int | None) -> Feature | None:
        reader = self.reader
        values = reader.section(entry, "feature", extra=AGGREGATES)
        kinds = [key for key in values if key in AGGREGATES]
        if len(kinds) != 1:
            near = next((suggest(key, AGGREGATES) for key in entry.map if key not in values and suggest(key, AGGREGATES)), "")
            reader.problems.add(
                entry.position, f"expected one aggregate of {', '.join(AGGREGATES)}; found {', '.join(kinds) or 'none'}{near}"
            )
            return None
        kind = kinds[0]
        by = by_of(reader, values.get("by"))
        bare = kind in ("count", "since_last")
        event = kind == "previous" and values[kind].text == "event"
        nodes = [node for node in (None if bare or event else values[kind], values.get("where")) if node is not None]
        stream = self.stream_of(entry, values, by, nodes)
        if stream is None:
            return None
        delay = reader.duration(values.get("delay"), "delay", 0) or 0
        named = self.labels.of(stream.name, {w for node in nodes for w in _words(node.text or "")}) if self.labels else []
        if len(named) > 1:
            reader.problems.add(entry.position, f"a feature reads one label; found {' and '.join(named)}")
            return None
        if named and self.labels is not None:
            stream, delay = self.labels.stream(named[0], delay, entry), 0
            if stream is None:
                return None
        found = self.measure(name, len(self.done), kind, values, stream, by, self.scope(stream), entry)
        if found is None:
            return None
        return replace(
            found, over=over if over is not None else self._over(values),
            delay=delay, exclude_current=reader.boolean(values.get("exclude_current"), "exclude_current"),
            every=reader.duration(values.get("every"), "every", least=1),
            ttl=reader.duration(values.get("ttl"), "ttl", _TTL, 1) or _TTL, n=reader.integer(values.get("n"), "n", 1, 1),
            event=event, event_types={n: _optional(s.type) for n, s in stream.fields.items()} if event else {},
        )  # fmt: skip

    def measure(
        self, name: str, place: int, kind: str, values: dict[str, Node], stream: Stream, by: By, scope: RowScope, entry: Node
    ) -> Feature | None:
        """An aggregate of a stream's rows with what it is of, over all of the past."""
        reader = self.reader
        bare = kind in ("count", "since_last") or (kind == "previous" and values[kind].text == "event")
        value = None if bare else reader.expression(values[kind], scope, Kind.BOOL if kind in _CONDITIONS else None)
        where = reader.expression(values["where"], scope, Kind.BOOL) if "where" in values else None
        if value is not None and kind in _NUMBERS and not value.type.is_number and value.type.kind is not Kind.NULL:
            reader.problems.add(values[kind].position, f"{kind} takes a number; found {value.type.required()} {value.text!r}")
            return None
        if value is None and not bare:
            return None
        self._check_options(kind, values)
        q = reader.number(values.get("q"), "q", 0.5)
        if not 0 <= q <= 1:
            reader.problems.add(values["q"].position, f"expected q from 0 to 1; found {q:g}")
        return Feature(
            name, place, kind, stream.name, by, _type(kind, value), value, where=where, q=q,  # type: ignore[arg-type]
            skip_null=reader.boolean(values.get("skip_null"), "skip_null"), position=entry.position,
        )  # fmt: skip

    def _over(self, values: Mapping[str, Node]) -> int | None:
        """How far back; None is all of the past."""
        node = values.get("over")
        if node is not None and node.kind == "list" and not node.items:
            self.reader.problems.add(node.position, "expected over as a duration or a list of them; found an empty list")
        if node is None or node.text == "all" or node.kind == "list":
            return None
        return self.reader.duration(node, "over", least=1)

    def _check_options(self, kind: str, values: Mapping[str, Node]) -> None:
        """What an aggregate does not take must not stand there in silence."""
        problems = self.reader.problems
        if kind in ("count", "since_last") and values[kind].text != "true":
            problems.add(values[kind].position, f"expected {kind}: true; found {values[kind].shown()}")
        for option, kinds in _OPTIONS.items():
            if option in values and kind not in kinds:
                problems.add(values[option].position, f"{option} belongs to {' and '.join(kinds)}; found it beside {kind}")
        if "every" in values and ("over" not in values or values["over"].text == "all"):
            problems.add(values["every"].position, "expected over beside every; found none")

    def _score(self, name: str, entry: Node) -> Score | None:
        reader = self.reader
        for key in entry.map:
            if key in _LATER:
                reader.problems.add(entry.keys[key], f"score {key!r} is not in this version")
                return None
        values = reader.section(entry, "score", extra=SCORES)
        if "points" in values:
            return self._points(name, entry, values)
        if "zscore" not in values:
            reader.problems.add(entry.position, "expected one score of zscore, points; found none")
            return None
        by = by_of(reader, values.get("by"))
        nodes = [node for node in (values["zscore"], values.get("where")) if node is not None]
        stream = self.stream_of(entry, values, by, nodes)
        if stream is None:
            return None
        scope = self.scope(stream)
        value = reader.expression(values["zscore"], scope, Kind.FLOAT)
        where = reader.expression(values["where"], scope, Kind.BOOL) if "where" in values else None
        if value is None:
            return None
        below = reader.number(values["learn_below"], "learn_below", 0.0) if "learn_below" in values else None
        return Score(
            name, len(self.done), "zscore", stream.name, by, value, over=self._over(values), where=where,
            delay=reader.duration(values.get("delay"), "delay", 0) or 0,
            min_count=reader.integer(values.get("min_count"), "min_count", 2),
            learn_below=below, ttl=reader.duration(values.get("ttl"), "ttl", _TTL, 1) or _TTL, position=entry.position,
        )  # fmt: skip

    def _points(self, name: str, entry: Node, values: dict[str, Node]) -> Score | None:
        by = by_of(self.reader, values.get("by"))
        stream = self.stream_of(entry, values, by, []) if "of" in values else next(iter(self.streams.values()), None)
        if stream is None:
            return None
        scope = self.scope(stream, by or None, self.patterns)
        if not values["points"].map:
            self.reader.problems.add(
                values["points"].position, f"expected points as {{CONDITION: NUMBER}}; found {values['points'].shown()}"
            )
            return None
        parts: dict[str, tuple[Expression, float]] = {}
        for text, worth in values["points"]:
            node = Node(values["points"].keys[text], "scalar", text)
            condition = self.reader.expression(node, scope, Kind.BOOL)
            if condition is not None:
                parts[text] = (condition, self.reader.number(worth, "points", 0.0))
        whole = points(parts)
        return Score(name, len(self.done), "points", stream.name, by, whole, points=tuple(parts.values()), position=entry.position)

    patterns: frozenset[str] = frozenset()
    rollups: Mapping[str, Rollup] = {}
    """All that were read; set by their reader."""
    labels: LabelReader | None = None


_TTL = 90 * 86_400_000_000


def with_event_fields(feature: Feature, reads: set[str]) -> Feature:
    """A whole-event feature with the fields that somebody reads."""
    names = sorted({name.rpartition("].")[2] for name in reads if name.startswith(f"{feature.name}[") and "]." in name})
    return replace(feature, event_fields=tuple(names))


def _optional(type_: Type) -> Type:
    return replace(type_, optional=True)


def _type(kind: str, value: Expression | None) -> Type:
    fixed: dict[str, Type] = {
        "count": INT, "distinct": INT, "mean": FLOAT, "std": FLOAT, "quantile": FLOAT, "ratio": FLOAT,
        "since_last": INTERVAL, "is_new": BOOL,
    }  # fmt: skip
    if kind in fixed:
        return fixed[kind] if kind in ("count", "distinct") else _optional(fixed[kind])
    if value is None:
        return STRING
    type_ = value.type
    if kind == "sum":
        return decimal(18, type_.scale) if type_.kind is Kind.DECIMAL else type_.required()
    return _optional(type_)


def _words(text: str) -> set[str]:

    return set(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", re.sub(r"'[^']*'", "", text)))
