"""Patterns: conditions here, sequences in ``sequences``."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from models.application.bases import check_bases
from models.application.features import FactReader, by_of
from models.application.nodes import Node
from models.application.reader import Reader
from models.application.resolved import Active, By, Hold, Pattern, Score, Stream, Suppress, Template
from models.application.scopes import RowScope
from models.application.sequences import Home, SequenceReader, conditions_of
from models.application.steps import AbsenceSpec, SequenceSpec
from models.application.stepscope import StepScope
from models.expressions.expression import Expression, constant
from models.values.types import Kind

LEVELS = ("info", "low", "medium", "high", "critical")
KINDS = ("sequence", "all", "any", "absence")
_CONDITION_KEYS = ("trigger", "hold", "clear", "on_clear")
_SEQUENCE_KEYS = ("within", "on_timeout", "after_match", "emit", "having", "max_partial")
_HOLD = re.compile(r"(\d+) of (\d+)")
_HOLE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")


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
        reader = self.reader
        values = reader.section(entry, "pattern")
        kinds = [key for key in KINDS if key in values]
        if len(kinds) > 1:
            reader.problems.add(entry.position, f"expected one of {', '.join(KINDS)}; found {' and '.join(kinds)}")
            return None
        self._check_keys(entry, values, kinds[0] if kinds else "when")
        by = by_of(reader, values.get("by"))
        sequence: SequenceSpec | None = None
        absence = self._absence(values["absence"]) if kinds == ["absence"] else None
        when: Expression | None = constant(True)
        if kinds and absence is None and kinds != ["absence"]:
            home = Home(self._home_of(values), by)
            steps = SequenceReader(self.facts, home, others)
            sequence = steps.read(entry, values)
            if sequence is None:
                return None
            stream, by = self._base(sequence, home)
            scope: RowScope | StepScope = steps.scope()
        else:
            found = self._stream(entry, values)
            if found is None or (kinds and absence is None):
                return None
            stream = found
            for field in by.fields:
                if field not in stream.fields and field not in stream.derive:
                    known = [*stream.fields, *stream.derive]
                    reader.problems.unknown(values["by"].position, f"field of {stream.name}", field, known)
                    return None
            scope = self.facts.scope(stream, by, others)
            if "when" not in values and not kinds:
                reader.incomplete(entry, "pattern", "expected when: CONDITION; found none")
                return None
            if "when" in values:
                when = reader.expression(values["when"], scope, Kind.BOOL)
        guard = reader.expression(values["guard"], scope, Kind.BOOL) if "guard" in values else None
        clear = reader.expression(values["clear"], scope, Kind.BOOL) if "clear" in values else None
        columns = {*stream.fields, *stream.derive}
        names = {entity: field for entity, field in zip(by.entity, by.fields, strict=True) if entity not in columns}
        title = self._title(values.get("title"), scope, name, names)
        severity = self._severity(values.get("severity"), scope)
        if when is None:
            return None
        expressions = [when, guard, clear, *(e for _, e in severity), *(p for p in title.parts if isinstance(p, Expression))]
        if sequence is not None:
            expressions += conditions_of(sequence)
        reads = frozenset(column for e in expressions if e is not None for column in e.reads)
        version = self._version(values.get("version"))
        if "on_clear" in values and "clear" not in values:
            reader.problems.add(values["on_clear"].position, "expected clear: CONDITION beside on_clear; found none")
        evidence = values.get("evidence")
        pattern = Pattern(
            name, place, stream.name, by, when, title, guard, self._active(values.get("active")), severity,
            reader.integer(values.get("priority"), "priority", 2, 1, 3), reader.duration(values.get("expires"), "expires", least=1),
            reader.integer(reader.section(evidence, "evidence").get("last") if evidence else None, "evidence.last", 20, 1),
            reader.choice(values.get("mode"), "mode", ("live", "shadow", "part", "off"), "live"),  # type: ignore[arg-type]
            self._suppress(values.get("suppress"), stream, by),
            reader.choice(values.get("trigger"), "trigger", ("each", "edge"), "each"),  # type: ignore[arg-type]
            self._hold(values.get("hold")), clear, reader.choice(values.get("on_clear"), "on_clear", ("flag",), "") == "flag",
            version,
            reader.text(values.get("description"), "description"), reader.text(values.get("runbook"), "runbook"),
            self._labels(values.get("labels")), reads, position=entry.position, sequence=sequence, absence=absence,
        )  # fmt: skip
        return replace(pattern, ruleset=_ruleset(pattern, entry, self.facts, by))

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

    def _title(self, node: Node | None, scope: RowScope | StepScope, name: str, entities: Mapping[str, str]) -> Template:
        """A title's parts; ``{{`` and ``}}`` are braces, and an entity's name is the field that holds its key."""
        if node is None or node.text is None:
            return Template(name, (name,))
        parts: list[str | Expression] = []
        plain: list[str] = []
        at = 0
        for hole in _HOLE.finditer(node.text):
            plain.append(node.text[at : hole.start()])
            parts.append(plain[-1])
            at = hole.end()
            if hole[1] is None:
                parts.append(hole[0][0])
                continue
            inner = node.part(hole.start(1), hole.end(1))
            if hole[1].strip() in entities:
                inner = replace(inner, text=f'"{entities[hole[1].strip()]}"', span=None)
            expression = self.reader.expression(inner, scope)
            parts.append(expression if expression is not None else "")
        plain.append(node.text[at:])
        parts.append(plain[-1])
        if any("{" in part or "}" in part for part in plain):
            self.reader.problems.add(node.position, f"expected each {{ of a title with its }}; found {node.shown()}")
        return Template(node.text, tuple(part for part in parts if part != ""))

    def _severity(self, node: Node | None, scope: RowScope | StepScope) -> tuple[tuple[Any, Expression | None], ...]:
        if node is None:
            return (("medium", None),)
        if not node.is_map:
            return ((self.reader.choice(node, "severity", LEVELS, "medium"), None),)
        found = []
        if not node.map:
            self.reader.problems.add(node.position, f"expected severity as a level or {{LEVEL: CONDITION}}; found {node.shown()}")
        for level, condition in node:
            if level not in LEVELS:
                self.reader.problems.unknown(node.keys[level], "severity", level, LEVELS)
            found.append((level, self.reader.expression(condition, scope, Kind.BOOL)))
        return tuple(found)

    def _active(self, node: Node | None) -> Active | None:
        if node is None:
            return None
        for key, inside in (("in", True), ("not_in", False)):
            if node.is_map and [*node.map] == [key]:
                name = self.reader.text(node.map[key], "calendar")
                if name in self.reader.facts.calendars:
                    return Active(self.reader.facts.calendars[name], inside)
                self.reader.problems.unknown(node.map[key].position, "calendar", name, self.reader.facts.calendars)
                return None
        self.reader.problems.add(
            node.position, f"expected active as {{in: CALENDAR}} or {{not_in: CALENDAR}}; found {node.shown()}"
        )
        return None

    def _labels(self, node: Node | None) -> dict[str, str]:
        if node is not None and not node.is_map:
            self.reader.problems.add(node.position, f"expected labels as {{NAME: VALUE}}; found {node.shown()}")
        return {key: self.reader.text(value, f"label {key!r}") for key, value in node or ()}

    def _version(self, node: Node | None) -> str:
        """A version such as 2 or 2.1, whose whole part is part of the flags' type and ids."""
        text = self.reader.text(node, "version", "1")
        if node is not None and text and not re.fullmatch(r"\d+(\.\d+)*", text):
            self.reader.problems.add(node.position, f"expected version as a number such as 2 or 2.1; found {text!r}")
            return "1"
        return text

    def _hold(self, node: Node | None) -> Hold | None:
        if node is None:
            return None
        text = self.reader.text(node, "hold")
        if found := _HOLD.fullmatch(text):
            if not 1 <= int(found[1]) <= int(found[2]):
                self.reader.problems.add(node.position, f"expected hold as N of M with N <= M; found {text!r}")
            return Hold(int(found[1]), int(found[2]))
        time = self.reader.duration(node, "hold", least=1)
        return None if time is None else Hold(time=time)

    def _suppress(self, node: Node | None, stream: Stream, by: By) -> Suppress:
        if node is None:
            return Suppress()
        reader = self.reader
        values = reader.section(node, "suppress")
        if node.is_map and not node.map:
            reader.problems.add(node.position, "expected cooldown, debounce, batch or limit in suppress; found none")
        kinds = [key for key in ("cooldown", "debounce", "batch") if key in values]
        if len(kinds) > 1:
            reader.problems.add(node.position, f"expected one of cooldown, debounce, batch; found {' and '.join(kinds)}")
        batch = reader.section(values["batch"], "batch") if "batch" in values else {}
        limit = reader.section(values["limit"], "limit") if "limit" in values else {}
        if "batch" in values and values["batch"].is_map and "over" not in batch:
            reader.problems.add(values["batch"].position, "expected batch as {over: DURATION, max: COUNT}; found no over")
        if "limit" in values and values["limit"].is_map and len(limit) < 2:
            reader.problems.add(values["limit"].position, "expected limit as {count: COUNT, over: DURATION}; found less")
        if "max_wait" in values and "debounce" not in values:
            reader.problems.add(values["max_wait"].position, "expected debounce beside max_wait; found none")
        per = reader.names(values["per"], "per") if "per" in values else ()
        for name in per:
            if name not in stream.fields and name not in stream.derive:
                reader.problems.unknown(values["per"].position, f"field of {stream.name}", name, [*stream.fields, *stream.derive])
        if "per" in values and not kinds and not limit:
            reader.problems.add(values["per"].position, "expected cooldown, debounce, batch or limit beside per; found none")
        return Suppress(
            reader.duration(values.get("cooldown"), "cooldown", least=1),
            reader.duration(values.get("debounce"), "debounce", least=1),
            reader.duration(values.get("max_wait"), "max_wait", least=1), reader.duration(batch.get("over"), "batch.over", least=1),
            reader.integer(batch["max"], "batch.max", 1, 1) if "max" in batch else None,
            reader.integer(limit["count"], "limit.count", 1, 1) if "count" in limit else None,
            reader.duration(limit.get("over"), "limit.over", least=1), () if sorted(per) == sorted(by.fields) else per,
        )  # fmt: skip

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


def _rollups(pattern: Pattern, facts: FactReader) -> dict[str, Any]:
    """The rollups that a pattern stands on or reads through features, where there are any."""
    waiting = [*pattern.streams, *(fact.of for fact in facts.done.values() if fact is not None and fact.of is not None)]
    found: dict[str, Any] = {}
    while waiting:
        name = waiting.pop()
        if name in facts.rollups and name not in found and facts.flags.rollups is not None:
            found[name] = facts.flags.rollups.entries[name].plain()
            waiting.append(facts.rollups[name].of)
    return {"rollups": dict(sorted(found.items()))} if found else {}


def _ruleset(pattern: Pattern, entry: Node, facts: FactReader, by: By) -> str:
    """sha256[:12] of the pattern as resolved, with every fact, parameter and list that shapes it."""
    plain = {key: value.plain() for key, value in entry.map.items() if key != "tests"}
    read = {name for name in facts.entries if any(column.startswith(f"{name}[") for column in pattern.reads)}
    shaping = {
        "pattern": plain,
        "by": [by.entity, by.fields],
        "when": pattern.when.canonical,
        "facts": {name: [facts.entries[name][1].plain(), facts.entries[name][2]] for name in sorted(read)},
        "params": {
            name: str(value.value) for name, value in sorted(facts.reader.params.items()) if f"${name}" in json.dumps(plain)
        },
        **_rollups(pattern, facts),
        "lists": {name: fact.sha256 for name, fact in sorted(facts.reader.facts.lists.items())},
    }
    return hashlib.sha256(json.dumps(shaping, sort_keys=True, default=str).encode()).hexdigest()[:12]
