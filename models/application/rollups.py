"""Rollups: streams of rows that tell of windows of another stream."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from zoneinfo import ZoneInfo

from models.application.features import AGGREGATES, FactReader, by_of
from models.application.nodes import Node
from models.application.reader import LONGEST, Reader
from models.application.resolved.facts import Feature, Rollup, Window
from models.application.resolved.places import By
from models.application.resolved.sources import FieldSpec, Stream
from models.values.types import TIMESTAMP

DAY = 86_400_000_000
MEASURES = tuple(name for name in AGGREGATES if name not in ("previous", "since_last", "is_new"))
"""Aggregates of a window as a whole."""
_WINDOWS = ("tumbling", "hopping", "session")
_EXPECTED = "expected window as {tumbling: SIZE}, {hopping: [SIZE, STEP]} or {session: GAP}"


def places(values: Mapping[str, Node]) -> dict[str, int]:
    """The place of each rollup and pattern among all of them, in the order of the files and of their lines."""
    found = [(name, node.keys[name]) for section in ("rollups", "patterns") if (node := values.get(section)) for name in node.map]
    files = list(dict.fromkeys(node.position.file for node in values.values()))
    files += [position.file for _, position in found if position.file not in files]
    found.sort(key=lambda each: (files.index(each[1].file), each[1].line, each[1].column))
    return {name: place for place, (name, _) in enumerate(found)}


class RollupReader:
    """Reads rollups when they are first asked for, since one may stand on another; ``entries`` are those of the file."""

    def __init__(self, reader: Reader, facts: FactReader, node: Node | None, order: Mapping[str, int]) -> None:
        self.reader = reader
        self.facts = facts
        self.order = order
        self.entries = dict(reader.named(node, "rollup"))
        self.done: dict[str, Rollup] = {}
        facts.flags.rollups = self
        facts.rollups = self.done

    def all(self) -> dict[str, Rollup]:
        """All rollups by name, in the order of the file."""
        for name in list(self.entries):  # a measure may read a label, which is one more
            self.facts.flags.stream(name)
        return {name: self.done[name] for name in self.entries if name in self.done}

    def stream(self, name: str) -> Stream | None:
        """The stream of a rollup's rows."""
        entry = self.entries[name]
        problems = self.reader.problems
        values = self.reader.section(entry, "rollup")
        for key in ("window", "select"):
            if key not in values:
                self.reader.incomplete(entry, "rollup", f"expected {key} of rollup {name!r}; found none")
        by = by_of(self.reader, values.get("by"))
        measures = list(values["select"].map.values()) if "select" in values else []
        named = [value for measure in measures for value in measure.map.values()]
        of = self.facts.stream_of(entry, values, by, named)
        window = self._window(values)
        if of is None:
            return None
        for field in by.fields:
            if field not in of.fields and field not in of.derive:
                problems.unknown(values["by"].position, f"field of {of.name}", field, [*of.fields, *of.derive])
                return None
        select = self._select(values.get("select"), of, by)
        if window is None or select is None:
            return None
        self.done[name] = Rollup(name, self.order[name], of.name, by, window, select, entry.position)
        return _rows(self.done[name], of)

    def _window(self, values: Mapping[str, Node]) -> Window | None:
        reader, node = self.reader, values.get("window")
        if node is None:
            return None
        given = reader.section(node, "window")
        if not node.is_map:
            return None
        if len(given) != 1:
            reader.incomplete(node, "window", f"{_EXPECTED}; found {' and '.join(given) or 'none'}")
            return None
        kind, value = next(iter(given.items()))
        parts = value.items if kind == "hopping" else [value]
        if kind == "hopping" and len(parts) != 2:
            reader.problems.add(value.position, f"expected hopping as [SIZE, STEP]; found {value.shown()}")
            return None
        spans = [reader.duration(part, f"window.{kind}", least=1) for part in parts]
        fill = reader.duration(values.get("fill"), "fill", least=1)
        tz = self._tz(values, kind, spans)
        if kind == "session" and "fill" in values:
            reader.problems.add(values["fill"].position, "fill belongs to tumbling and hopping windows; found it beside session")
        if None in spans:
            return None
        size, step = spans[0] or 0, spans[-1] or 0
        if step > size:
            reader.problems.add(parts[1].position, f"expected a step no longer than the size; found {parts[1].shown()}")
            return None
        return Window(kind, size, step, fill, tz)  # type: ignore[arg-type]

    def _tz(self, values: Mapping[str, Node], kind: str, spans: Iterable[int | None]) -> str:
        """The zone whose days windows are made of; "" for UTC, where they may be any size."""
        if "tz" not in values:
            return ""
        zone = self.reader.text(values["tz"], "tz", "UTC")
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            self.reader.problems.add(values["tz"].position, f"unknown time zone {zone!r}; expected one such as Europe/Berlin")
            return ""
        if kind == "session" or any(span is not None and span % DAY for span in spans):
            self.reader.problems.add(values["tz"].position, "tz is for windows of whole days; expected such as {tumbling: 1d}")
        return zone

    def _select(self, node: Node | None, of: Stream, by: By) -> tuple[Feature, ...] | None:
        if node is None:
            return None
        if not node.map:
            self.reader.problems.add(node.position, f"expected select as {{NAME: {{AGGREGATE: VALUE}}}}; found {node.shown()}")
            return None
        scope = self.facts.scope(of)
        found: list[Feature] = []
        for name, entry in self.reader.named(node, "measure"):
            if name in ("start", "end", *by.entity):
                self.reader.problems.add(node.keys[name], f"{name!r} is a field of every row of the rollup; rename one")
            values = self.reader.section(entry, "measure", extra=AGGREGATES)
            kinds = [key for key in values if key in AGGREGATES]
            if len(kinds) != 1 or kinds[0] not in MEASURES:
                expected = f"expected one aggregate of {', '.join(MEASURES)}; found {', '.join(kinds) or 'none'}"
                if kinds:
                    self.reader.problems.add(entry.position, expected)
                else:
                    self.reader.incomplete(entry, "measure", expected)
                continue
            measure = self.facts.measure(name, len(found), kinds[0], values, of, by, scope, entry)
            if measure is not None:
                found.append(replace(measure, over=None, ttl=LONGEST))
        return tuple(found) if len(found) == len(node.map) else None


def _rows(rollup: Rollup, of: Stream) -> Stream:
    """The stream of a rollup's rows: the entity's fields, ``start``, ``end`` and what is selected."""
    moment = replace(TIMESTAMP, unit=of.fields[of.time].type.unit)
    types = {}
    for entity, field in zip(rollup.by.entity, rollup.by.fields, strict=True):
        type_ = of.fields[field].type if field in of.fields else of.derive[field].type
        types[entity] = type_.required()
    types.update({"start": moment, "end": moment})
    types.update({measure.name: measure.type for measure in rollup.select})
    fields = {name: FieldSpec(name, type_, (name,)) for name, type_ in types.items()}
    return Stream(rollup.name, of.place, None, "json", "end", fields, position=rollup.position, rollup=rollup.name)
