"""Patterns: conditions here, sequences in ``sequences``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from models.application import patternparts as parts
from models.application.bases import check_bases
from models.application.features import FactReader, by_of
from models.application.nodes import Node
from models.application.reader import Reader
from models.application.resolved.facts import Score
from models.application.resolved.patterns import Pattern
from models.application.resolved.places import By
from models.application.resolved.sources import Stream
from models.application.resolved.steps import AbsenceSpec, SequenceSpec
from models.application.ruleset import ruleset
from models.application.scopes import RowScope
from models.application.sequences import Home, SequenceReader, conditions_of
from models.application.stepscope import StepScope
from models.expressions.expression import Expression, constant
from models.values.types import Kind

KINDS = ("sequence", "all", "any", "absence")
_CONDITION_KEYS = ("trigger", "hold", "clear", "on_clear")
_SEQUENCE_KEYS = ("within", "on_timeout", "after_match", "emit", "having", "max_partial")


class _Sought(NamedTuple):
    """What a pattern looks for, on which stream under which key; scope: what names mean in its title and guard."""

    stream: Stream
    by: By
    scope: RowScope | StepScope
    when: Expression | None
    sequence: SequenceSpec | None = None
    absence: AbsenceSpec | None = None


class PatternReader:
    """Reads patterns, whose names may stand in each other's conditions."""

    def __init__(self, reader: Reader, facts: FactReader, places: Mapping[str, int]) -> None:
        self.reader = reader
        self.facts = facts
        self.places = places

    def read(self, node: Node | None) -> dict[str, Pattern]:
        """All patterns by name, in the order of the file."""
        entries = self.reader.named(node, "pattern")
        names = frozenset(name for name, _ in entries)
        self.facts.patterns = names
        found: dict[str, Pattern] = {}
        for name, entry in entries:
            pattern = self._pattern(name, self.places[name], entry, names - {name})
            if pattern is not None:
                found[name] = pattern
        self._check_truths(found)
        check_bases(self.reader.problems, found, self.facts)
        return found

    def _pattern(self, name: str, place: int, entry: Node, others: frozenset[str]) -> Pattern | None:
        values = self.reader.section(entry, "pattern")
        kinds = [key for key in KINDS if key in values]
        if len(kinds) > 1:
            self.reader.problems.add(entry.position, f"expected one of {', '.join(KINDS)}; found {' and '.join(kinds)}")
            return None
        self._check_keys(entry, values, kinds[0] if kinds else "when")
        sought = self._steps(entry, values, others) if kinds and kinds != ["absence"] else self._condition(entry, values, others)
        if sought is None:
            return None
        pattern = self._whole(name, place, entry, values, sought)
        return None if pattern is None else replace(pattern, ruleset=ruleset(pattern, entry, self.facts, sought.by))

    def _steps(self, entry: Node, values: dict[str, Node], others: frozenset[str]) -> _Sought | None:
        """What a sequence, all or any looks for."""
        home = Home(self._home_of(values), by_of(self.reader, values.get("by")))
        steps = SequenceReader(self.facts, home, others)
        sequence = steps.read(entry, values)
        if sequence is None:
            return None
        stream, by = self._base(sequence, home)
        return _Sought(stream, by, steps.scope(), constant(True), sequence)

    def _condition(self, entry: Node, values: dict[str, Node], others: frozenset[str]) -> _Sought | None:
        """What a condition or an absence looks for."""
        reader = self.reader
        by = by_of(reader, values.get("by"))
        absence = self._absence(values["absence"]) if "absence" in values else None
        stream = self._stream(entry, values)
        if stream is None or ("absence" in values and absence is None):
            return None
        for field in by.fields:
            if field not in stream.fields and field not in stream.derive:
                reader.problems.unknown(values["by"].position, f"field of {stream.name}", field, [*stream.fields, *stream.derive])
                return None
        scope = self.facts.scope(stream, by, others)
        if "when" not in values and "absence" not in values:
            reader.incomplete(entry, "pattern", "expected when: CONDITION; found none")
            return None
        when = reader.expression(values["when"], scope, Kind.BOOL) if "when" in values else constant(True)
        return _Sought(stream, by, scope, when, None, absence)

    def _whole(self, name: str, place: int, entry: Node, values: dict[str, Node], sought: _Sought) -> Pattern | None:
        """The pattern with all that stands beside what it looks for."""
        reader, scope, stream, by = self.reader, sought.scope, sought.stream, sought.by
        guard = reader.expression(values["guard"], scope, Kind.BOOL) if "guard" in values else None
        clear = reader.expression(values["clear"], scope, Kind.BOOL) if "clear" in values else None
        columns = {*stream.fields, *stream.derive}
        names = {entity: field for entity, field in zip(by.entity, by.fields, strict=True) if entity not in columns}
        title = parts.title(reader, values.get("title"), scope, name, names)
        severity = parts.severity(reader, values.get("severity"), scope)
        if sought.when is None:
            return None
        if "on_clear" in values and "clear" not in values:
            reader.problems.add(values["on_clear"].position, "expected clear: CONDITION beside on_clear; found none")
        evidence = values.get("evidence")
        read = [sought.when, guard, clear, *(e for _, e in severity), *(p for p in title.parts if isinstance(p, Expression))]
        read += [] if sought.sequence is None else conditions_of(sought.sequence)
        return Pattern(
            name, place, stream.name, by, sought.when, title, guard, parts.active(reader, values.get("active")), severity,
            reader.integer(values.get("priority"), "priority", 2, 1, 3), reader.duration(values.get("expires"), "expires", least=1),
            reader.integer(reader.section(evidence, "evidence").get("last") if evidence else None, "evidence.last", 20, 1),
            reader.choice(values.get("mode"), "mode", ("live", "shadow", "part", "off"), "live"),  # type: ignore[arg-type]
            parts.suppress(reader, values.get("suppress"), stream, by),
            reader.choice(values.get("trigger"), "trigger", ("each", "edge"), "each"),  # type: ignore[arg-type]
            parts.hold(reader, values.get("hold")), clear,
            reader.choice(values.get("on_clear"), "on_clear", ("flag",), "") == "flag",
            parts.version(reader, values.get("version")),
            reader.text(values.get("description"), "description"), reader.text(values.get("runbook"), "runbook"),
            parts.labels(reader, values.get("labels")), frozenset(column for e in read if e is not None for column in e.reads),
            position=entry.position, sequence=sought.sequence, absence=sought.absence,
        )  # fmt: skip

    def _check_keys(self, entry: Node, values: dict[str, Node], kind: str) -> None:
        """Keys that say something for other kinds of patterns only."""
        stepped = kind in ("sequence", "all", "any")
        for keys, fits, home in (
            (_CONDITION_KEYS, kind == "when", "a condition pattern; it says nothing beside " + kind),
            (_SEQUENCE_KEYS, stepped, "a sequence; expected it beside sequence, all or any"),
            (("when",), not stepped, "the steps; it says nothing beside " + kind),
        ):
            for key in keys:
                if key in values and not fits:
                    self.reader.problems.add(entry.keys[key], f"{key!r} belongs to {home}")

    def _home_of(self, values: dict[str, Node]) -> Stream | None:
        """The stream on which steps stand unless they say otherwise."""
        streams = self.facts.streams
        if "on" not in values:
            return next(iter(streams.values())) if len(streams) == 1 else None
        name = self.reader.text(values["on"], "on")
        stream = self.facts.flags.stream(name)
        if stream is None and not self.facts.flags.knows(name):
            self.reader.problems.unknown(values["on"].position, "stream, rollup or pattern", name, self.facts.flags.names())
        return stream

    def _base(self, sequence: SequenceSpec, home: Home) -> tuple[Stream, By]:
        """The stream that title and guard read, of those that the steps stand on, and the fields of its key."""
        arms = [*sequence.arms()]
        arm = next((arm for arm in arms if home.on is not None and arm.on == home.on.name), arms[0])
        stream = self.facts.flags.stream(arm.on)
        assert stream is not None
        return stream, arm.by

    def _absence(self, node: Node) -> AbsenceSpec | None:
        values = self.reader.section(node, "absence")
        if "for" not in values:
            self.reader.problems.add(node.position, "expected absence as {for: DURATION}; found no for")
            return None
        time = self.reader.duration(values["for"], "absence.for", least=1)
        each = self.reader.choice(values.get("after"), "absence.after", ("first", "each"), "first") == "each"
        expect = self.reader.text(values.get("expect"), "absence.expect") or None
        if expect is not None and expect not in self.facts.tables:
            self.reader.problems.unknown(values["expect"].position, "table", expect, self.facts.tables)
        return None if not time else AbsenceSpec(time, each, expect)

    def _stream(self, entry: Node, values: dict[str, Node]) -> Stream | None:
        streams = self.facts.streams
        if "on" not in values:
            if len(streams) == 1:
                return next(iter(streams.values()))
            self.reader.problems.add(entry.position, f"expected on: STREAM, one of {', '.join(streams) or 'none'}; found none")
            return None
        name = self.reader.text(values["on"], "on")
        stream = self.facts.flags.stream(name)
        if stream is None and not self.facts.flags.knows(name):
            others = [other for other in self.facts.flags.names() if self.facts.flags.entries.get(other) is not entry]
            self.reader.problems.unknown(values["on"].position, "stream, rollup or pattern", name, others)
        return stream

    def _check_truths(self, patterns: dict[str, Pattern]) -> None:
        """Patterns in conditions must stand on the same stream and not read each other in a circle."""
        for pattern in patterns.values():
            self._follow(pattern, patterns, [pattern.name])

    def _follow(self, pattern: Pattern, patterns: dict[str, Pattern], path: list[str]) -> None:
        for column in sorted(pattern.when.reads):
            other = patterns.get(column.removeprefix("pattern:")) if column.startswith("pattern:") else None
            score = self.facts.done.get(column.partition("[")[0])
            if isinstance(score, Score) and pattern.position and f"pattern:{path[0]}" in score.value.reads:
                self.reader.problems.add(
                    pattern.position, f"{path[0]} -> {score.name} -> {path[0]}: they read each other in a circle"
                )
            if other is None or pattern.position is None:
                continue
            if other.name in path:
                ring = " -> ".join([*path[path.index(other.name) :], other.name])
                if path[0] == min(path):  # of all ways round the circle, one
                    self.reader.problems.add(pattern.position, f"patterns read each other in a circle: {ring}")
                return
            if other.on != pattern.on:
                self.reader.problems.add(pattern.position, f"pattern {other.name!r} stands on {other.on}, not on {pattern.on}")
                return
            self._follow(other, patterns, [*path, other.name])
