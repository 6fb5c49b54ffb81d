"""Inline tests: what is given, line by line, and which flags are expected."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from models.application.durations import parse_duration
from models.application.nodes import Node
from models.application.reader import Reader
from models.application.resolved.facts import Rollup
from models.application.resolved.patterns import Pattern
from models.application.resolved.places import Position
from models.application.resolved.sources import Stream, Table
from models.expressions.coerce import rescale_text
from models.expressions.times import parse_moment
from models.values.types import UNITS, Kind, Type

MONDAY = 1_704_067_200_000_000
"""2024-01-01T00:00:00Z, a Monday, in microseconds since 1970: the default ``start``."""
_INT = re.compile(r"-?\d+")
_LINE_KEYS = frozenset({"on", "at", "time", "ref", "op", "before", "fields", "scores"})


@dataclass(frozen=True, slots=True)
class Given:
    """One line: a row of a stream or table (``source``) at a time, or a move of the watermark.

    dead: a value does not fit its type, and the test expects that (``expect_dead``); scores: what stands in for a model.
    """

    source: str = ""
    time: int = 0
    ref: str = ""
    op: str = "c"
    values: Mapping[str, Any] = field(default_factory=dict)
    before: Mapping[str, Any] | None = None
    advance_to: int | None = None
    advance: int | None = None
    restart: bool = False
    dead: bool = False
    scores: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Expect:
    """One expected flag; None means whatever."""

    pattern: str
    kind: str = "match"
    key: str | None = None
    time: int | None = None
    steps: Mapping[str, list[str]] | None = None
    events: list[str] | None = None
    data: Any = None
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Test:
    """A test of one pattern, or of several where it stands at the top of the file."""

    __test__ = False
    name: str
    pattern: str | None
    start: int
    given: tuple[Given, ...]
    expect: tuple[Expect, ...]
    expect_late: tuple[str, ...] | None
    expect_dead: tuple[str, ...] | None
    end_open: bool
    position: Position


def read_tests(
    reader: Reader, values: Mapping[str, Node], streams: Mapping[str, Stream], tables: Mapping[str, Table],
    patterns: Mapping[str, Pattern], rollups: Mapping[str, Rollup],
) -> tuple[Test, ...]:  # fmt: skip
    """All tests of a file."""
    found: list[Test] = []
    entries = [(None, values["tests"])] if "tests" in values else []
    for name, entry in values.get("patterns", []):
        if entry.is_map and "tests" in entry.map and name in patterns:
            entries.append((name, entry.map["tests"]))  # type: ignore[arg-type]
    for pattern, node in entries:
        if node.kind != "list":
            reader.problems.add(node.position, f"expected tests as a list; found {node.shown()}")
        for item in node.items:
            scores = [*values["scores"].map] if "scores" in values else []
            found.append(_Lines(reader, streams, tables, patterns, rollups, pattern, scores).test(item))
    return tuple(found)


class _Lines:
    def __init__(
        self, reader: Reader, streams: Mapping[str, Stream], tables: Mapping[str, Table], patterns: Mapping[str, Pattern],
        rollups: Mapping[str, Rollup], pattern: str | None, scores: Sequence[str],
    ) -> None:  # fmt: skip
        self.scores = scores
        self.reader = reader
        self.streams = streams
        self.tables = tables
        self.patterns = patterns
        self.rollups = rollups
        self.pattern = pattern
        self.start = MONDAY
        self.dead: tuple[str, ...] = ()

    def test(self, node: Node) -> Test:
        """One test, its keys checked."""
        self.reader.section(node, "test")
        for key in ("given", "expect"):
            if key not in node.map:
                self.reader.incomplete(node, "test", f"expected {key} as a list; found none")
            elif node.map[key].kind != "list":
                self.reader.problems.add(node.map[key].position, f"expected {key} as a list; found {node.map[key].shown()}")
        self.dead = self._refs(node, "expect_dead") or ()
        if "start" in node.map:
            self.start = self._moment(node.map["start"])
        given = (
            tuple(self._given(item, place) for place, item in enumerate(node.map["given"].items, 1)) if "given" in node.map else ()
        )
        refs = [line.ref for line in given if line.ref]
        if twice := next((ref for ref in refs if refs.count(ref) > 1), None):
            self.reader.problems.add(node.position, f"expected each ref of a test once; found {twice!r} twice")
        expect = node.map.get("expect")
        return Test(
            node.map["name"].text or "" if "name" in node.map else "", self.pattern, self.start, given,
            tuple(self._expect(item) for item in expect.items) if expect else (), self._refs(node, "expect_late"),
            self._refs(node, "expect_dead"), self.reader.choice(node.map.get("end"), "end", ("open",), "") == "open", node.position,
        )  # fmt: skip

    def _refs(self, node: Node, key: str) -> tuple[str, ...] | None:
        return tuple(item.text or "" for item in node.map[key].items) if key in node.map else None

    def _given(self, node: Node, place: int) -> Given:
        map_ = node.map
        if not node.is_map:
            self.reader.problems.add(node.position, f"expected a line such as {{on: STREAM, at: 10s, …}}; found {node.shown()}")
            return Given()
        if "advance" in map_:
            return Given(advance=self._offset(map_["advance"], "advance"))
        if "advance_to" in map_:
            return Given(advance_to=self.start + self._offset(map_["advance_to"], "advance_to"))
        if "restart" in map_:
            found = map_["restart"]
            if found.text != "true" or len(map_) > 1:
                self.reader.problems.add(found.position, f"expected {{restart: true}} and nothing beside it; found {found.shown()}")
            return Given(restart=True)
        name = map_["on"].text if "on" in map_ else next(iter(self.streams), "")
        source = self.streams.get(name or "") or self.tables.get(name or "")
        if source is None:
            where = map_["on"].position if "on" in map_ else node.position
            if self.streams:
                self.reader.problems.unknown(where, "stream or table", name or "", [*self.streams, *self.tables])
            return Given()
        if "on" not in map_ and len(self.streams) > 1:
            self.reader.problems.add(node.position, f"expected on: one of {', '.join(self.streams)}; found none")
        ref = (map_["ref"].text or "") if "ref" in map_ else str(place)
        fields = {key: value for key, value in map_.items() if key not in _LINE_KEYS}
        if "fields" in map_:
            fields.update(map_["fields"].map)
        time = self._time(source, map_, node)
        if source.time and source.time in map_:
            fields.pop(source.time, None)
        bad = [value for name, value in fields.items() if name in source.fields and not _fits(value, source.fields[name].type)]
        if bad and ref in self.dead:
            return Given(name or "", time, ref, dead=True)
        values = self._values(source, fields, node)
        if source.time and source.time in source.fields:
            values[source.time] = time
        before = self._values(source, map_["before"].map, node) if "before" in map_ else None
        op = self.reader.choice(map_.get("op"), "op", ("c", "u", "d", "r"), "c")
        return Given(name or "", time, ref, op, values, before, scores=self._scores(map_.get("scores")))

    def _scores(self, node: Node | None) -> dict[str, float | None]:
        """What a line gives instead of scores."""
        if node is None:
            return {}
        if not node.is_map:
            self.reader.problems.add(node.position, f"expected scores as {{NAME: NUMBER}}; found {node.shown()}")
        found: dict[str, float | None] = {}
        for name, value in node if node.is_map else ():
            if name not in self.scores:
                self.reader.problems.unknown(node.keys[name], "score", name, self.scores)
            found[name] = None if value.text is None and not value.quoted else self.reader.number(value, f"score {name!r}", 0.0)
        return found

    def _values(self, source: Stream | Table, fields: Mapping[str, Node], node: Node) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in fields.items():
            if source.fields.get(name) is not None and source.fields[name].type.kind is Kind.NULL:
                continue
            if name not in source.fields:
                self.reader.problems.unknown(value.position, f"field of {source.name}", name, source.fields)
                continue
            try:
                found[name] = _stored(value, source.fields[name].type)
            except (ValueError, ArithmeticError):
                expected = source.fields[name].type.required()
                self.reader.problems.add(value.position, f"field {name!r}: expected {expected}; found {value.shown()}")
        return found

    def _time(self, source: Stream | Table, map_: Mapping[str, Node], node: Node) -> int:
        if "at" in map_:
            shift = parse_duration(map_["at"].text or "")
            if shift is None:
                self.reader.problems.add(map_["at"].position, f"expected at as a duration such as 10s; found {map_['at'].shown()}")
            return self.start + (shift or 0)
        if "time" in map_:
            return self._moment(map_["time"], source)
        if source.time and source.time in map_:
            return self._moment(map_[source.time], source)
        self.reader.problems.add(node.position, "expected at: OFFSET or time: MOMENT; found neither")
        return self.start

    def _moment(self, node: Node, source: Stream | Table | None = None) -> int:
        text = node.text or ""
        try:
            if source is not None and text.lstrip("-").isdigit():
                unit = source.fields[source.time].type.unit if source.time and source.time in source.fields else ""
                if not unit:
                    raise ValueError(text)
                return int(text) // 1000 if unit == "ns" else int(text) * UNITS[unit]
            return parse_moment(text)
        except ValueError:
            unit = " (timestamp has no unit: a number is never guessed)" if text.lstrip("-").isdigit() else ""
            self.reader.problems.add(node.position, f"expected a moment such as 2024-01-01T00:00:00Z; found {node.shown()}{unit}")
            return self.start

    def _base(self, name: str) -> Stream:
        """The stream of events below a pattern, through others and rollups that it stands on."""
        while name not in self.streams:
            name = self.rollups[name].of if name in self.rollups else self.patterns[name].on
        return self.streams[name]

    def _offset(self, node: Node, what: str) -> int:
        """A duration of a test's line."""
        found = parse_duration(node.text or "")
        if found is None:
            self.reader.problems.add(node.position, f"expected {what} as a duration such as 10s; found {node.shown()}")
        return found or 0

    def _expect(self, node: Node) -> Expect:
        self.reader.section(node, "expected flag")
        map_ = node.map
        name = map_["pattern"].text or "" if "pattern" in map_ else self.pattern or ""
        if name not in self.patterns and not self.reader.problems.found:
            self.reader.problems.unknown(
                map_["pattern"].position if "pattern" in map_ else node.position, "pattern", name, self.patterns
            )
        time = None
        if "at" in map_:
            time = self.start + self._offset(map_["at"], "at")
        elif "time" in map_ and name in self.patterns:
            time = self._moment(map_["time"], self._base(name))
        steps = {k: [i.text or "" for i in v.items] for k, v in map_["steps"]} if "steps" in map_ else None
        events = [item.text or "" for item in map_["events"].items] if "events" in map_ else None
        key = map_["key"].text if "key" in map_ else None
        data = map_["data"].plain() if "data" in map_ else None
        kind = self.reader.choice(map_.get("kind"), "kind", ("match", "cleared", "timeout", "storm"), "match")
        return Expect(name, kind, key, time, steps, events, data, _flow(node))


def _flow(node: Node) -> str:
    """A node as YAML writes it in a line."""
    if node.is_map:
        return "{" + ", ".join(f"{name}: {_flow(value)}" for name, value in node) + "}"
    if node.kind == "list":
        return f"[{', '.join(map(_flow, node.items))}]"
    return "null" if node.text is None else node.text


def _fits(node: Node, type_: Type) -> bool:
    try:
        _stored(node, type_)
    except (ValueError, ArithmeticError):
        return False
    return True


def _stored(node: Node, type_: Type) -> Any:
    """A scalar's stored value, read from its text by its declared type."""
    text = node.text
    if node.kind == "list":
        item = type_.item or type_
        return tuple(_stored(each, item) for each in node.items)
    if text is None:
        return None
    match type_.kind:
        case Kind.BOOL:
            if text not in ("true", "false"):
                raise ValueError(text)
            return text == "true"
        case Kind.INT:
            if not _INT.fullmatch(text) or not -(2**63) <= int(text) < 2**63:
                raise ValueError(text)
            return int(text)
        case Kind.FLOAT:
            if "_" in text or not isfinite(float(text)):
                raise ValueError(text)
            return float(text)
        case Kind.DECIMAL:
            return rescale_text(text, type_.scale)
        case Kind.TIMESTAMP:
            if not type_.unit or not text.lstrip("-").isdigit():
                return parse_moment(text)
            return int(text) // 1000 if type_.unit == "ns" else int(text) * UNITS[type_.unit]
        case Kind.DATE:
            return parse_moment(text) // 86_400_000_000
    return text
