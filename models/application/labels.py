"""Labels that come later: what is told of an event days after it, as a field that features with a delay may read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from models.application.nodes import Node
from models.application.reader import Reader
from models.application.resolved.facts import Feature, Label, Rollup, Window
from models.application.resolved.places import By
from models.application.resolved.sources import FieldSpec, Stream
from models.expressions.coerce import cast
from models.expressions.expression import Expression
from models.expressions.text import interval_text
from models.values.types import Kind, Type

if TYPE_CHECKING:
    from models.application.features import FactReader

PLACE = 1 << 20
"""The first place of labelled streams: behind all rollups and patterns."""


class LabelReader:
    """Reads labels, and makes a labelled stream for each label and delay that a feature reads it with."""

    def __init__(self, reader: Reader, facts: FactReader, node: Node | None) -> None:
        self.reader = reader
        self.facts = facts
        self.entries = dict(reader.named(node, "label"))
        self.node = node
        self.labels: dict[str, tuple[Label, str, int]] = {}
        for name, entry in self.entries.items():
            self._read(name, entry)
        facts.labels = self

    def of(self, stream: str, words: set[str]) -> list[str]:
        """The labels of a stream among words."""
        return [name for name, (_, of, _) in self.labels.items() if of == stream and name in words]

    def stream(self, name: str, delay: int, feature: Node) -> Stream | None:
        """The stream of labelled events, each as of ``delay`` after it."""
        label, of, settle = self.labels[name]
        if delay < settle:
            where = feature.map["delay"].position if "delay" in feature.map else feature.position
            least, found = interval_text(settle), interval_text(delay)
            message = f"expected delay of at least {least}, the time in which label {name!r} settles; found {found}"
            self.reader.problems.add(where, message)
            return None
        below = self.facts.streams[of]
        labelled = f"{of} with {name} after {interval_text(delay)}"
        found_ = self.facts.flags.found.get(labelled)
        if found_ is not None:
            return found_
        stream = _labelled(labelled, below, label, self.facts)
        self.facts.flags.found[labelled] = stream
        place = PLACE + len(self.facts.rollups)
        field = label.match
        rollup = Rollup(labelled, place, of, By((field,), (field,)), Window("label", delay, delay), (), label=label)
        assert isinstance(self.facts.rollups, dict)
        self.facts.rollups[labelled] = rollup
        if self.facts.flags.rollups is not None:
            self.facts.flags.rollups.entries[labelled] = self.entries[name]
        return stream

    def _read(self, name: str, entry: Node) -> None:
        reader = self.reader
        values = reader.section(entry, "label")
        missing = [key for key in ("of", "from", "match", "value", "settle") if key not in values]
        if missing:
            reader.incomplete(entry, "label", f"expected {missing[0]} of label {name!r}; found none")
            return
        of, source = (self._stream(values[key]) for key in ("of", "from"))
        settle = reader.duration(values["settle"], "settle", least=1)
        if of is None or source is None or settle is None:
            return
        if name in of.fields or name in of.derive or name in of.joins:
            where = self.node.keys[name] if self.node else entry.position
            reader.problems.add(where, f"{of.name} has {name!r} already; rename one")
            return
        match = self._match(values["match"], of, source)
        value = reader.expression(values["value"], self.facts.scope(source))
        default = reader.expression(values["default"], self.facts.scope(of)) if "default" in values else None
        if match is None or value is None or ("default" in values and default is None):
            return
        if default is not None and default.type.kind is not Kind.NULL:
            root = cast(default.root, value.type.required())
            if root is None or default.type.kind is not value.type.kind:
                message = f"expected default of the type of value, {value.type.required()}; found {default.type.required()}"
                reader.problems.add(values["default"].position, message)
                return
            default = Expression(default.text, root)
        default = None if default is None or default.type.kind is Kind.NULL else default
        self.labels[name] = Label(name, source.name, *match, value, default), of.name, settle

    def _stream(self, node: Node) -> Stream | None:
        name = self.reader.text(node, "a label's stream")
        if name not in self.facts.streams:
            self.reader.problems.unknown(node.position, "stream", name, list(self.facts.streams))
            return None
        return self.facts.streams[name]

    def _match(self, node: Node, of: Stream, source: Stream) -> tuple[str, str] | None:
        """The fields that hold the same value: ``match: tx_id``, or ``{FIELD: FIELD OF from}``."""
        pair = next(iter(node), None) if node.is_map else None
        theirs = self.reader.text(node, "match") if pair is None else self.reader.text(pair[1], "match")
        mine = theirs if pair is None else pair[0]
        types: list[Type] = []
        for stream, field in ((of, mine), (source, theirs)):
            if field not in stream.fields:
                self.reader.problems.unknown(node.position, f"field of {stream.name}", field, list(stream.fields))
                return None
            types.append(stream.fields[field].type.required())
        if types[0] != types[1]:
            found = f"{of.name}.{mine} is {types[0]}, {source.name}.{theirs} is {types[1]}"
            self.reader.problems.add(node.position, f"expected match of fields of one type; found {found}")
            return None
        return mine, theirs


def _labelled(name: str, below: Stream, label: Label, facts: FactReader) -> Stream:
    fields = dict(below.fields)
    fields.update({column: FieldSpec(column, type_, (column,)) for column, type_ in facts.flags.more(below)})
    type_ = replace(label.value.type, optional=label.default is None or label.value.type.optional)
    fields[label.name] = FieldSpec(label.name, type_, (label.name,))
    return Stream(name, below.place, None, "json", below.time, fields, rollup=name)


def with_reads(rollups: Mapping[str, Rollup], features: Mapping[str, Feature]) -> dict[str, Rollup]:
    """Labelled streams with the columns that features read of them."""
    found = dict(rollups)
    for name, rollup in rollups.items():
        if rollup.label is None:
            continue
        default = rollup.label.default
        reads: set[str] = {rollup.label.match, *(default.reads if default is not None else ())}
        for feature in features.values():
            if feature.of == name:
                reads |= {*feature.by.fields, *feature.event_fields}
                reads |= {column for each in (feature.value, feature.where) if each is not None for column in each.reads}
        found[name] = replace(rollup, carries=frozenset(reads - {rollup.label.name}))
    return found
