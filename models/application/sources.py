"""Streams and tables: where rows come from and what is in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.application.connections import REGISTRY, has_registry, topic_of
from models.application.keys import not_in_this_version
from models.application.nodes import Node
from models.application.reader import Reader
from models.application.resolved.places import Position
from models.application.resolved.sources import FieldSpec, FileInput, Format, Input, Join, KafkaInput, Stream, Table
from models.application.scopes import RowScope
from models.expressions.compile import suggest
from models.expressions.expression import Expression
from models.expressions.tree import Node as Tree
from models.values.types import BOOL, STRING, TIMESTAMP, Kind, Type, parse_type

_SUFFIXES = {".jsonl": "json", ".json": "json", ".ndjson": "json", ".csv": "csv", ".parquet": "parquet"}
_TYPES = ("string", "bool", "int", "float", "decimal", "timestamp", "date", "list")
UNKNOWN = Type(Kind.NULL)
"""The type of a field whose type cannot be read: it fits everywhere, so that one mistake is told once."""
_TABLE_FORMATS = ("json", "csv", "parquet", "debezium")
_FORMATS = (*_TABLE_FORMATS, "cloudevents", "avro")
_ATTRIBUTES = (
    "subject", "datacontenttype", "dataschema", "partitionkey", "sequence", "correlationid", "causationid", "dedupkey", "severity",
    "ruleset", "runmode", "expirytime", "recordedtime", "traceparent", "tracestate",
)  # fmt: skip
"""Attributes of a CloudEvent that it may lack; others are declared as fields with ``path: ce.NAME``."""
MAX_AHEAD = 86_400_000_000
"""How far a Kafka record's event time may lie after its timestamp unless the stream says otherwise (microseconds)."""


def streams(reader: Reader, node: Node | None, tables: dict[str, Table], inputs: dict[str, str]) -> dict[str, Stream]:
    """Streams by name, in the order of the file."""
    found: dict[str, Stream] = {}
    for place, (name, entry) in enumerate(reader.named(node, "stream")):
        stream = _stream(reader, name, place, entry, tables, inputs.get(name))
        if stream is not None:
            found[name] = stream
    return found


def tables(reader: Reader, node: Node | None, inputs: dict[str, str]) -> dict[str, Table]:
    """Tables by name."""
    found: dict[str, Table] = {}
    for place, (name, entry) in enumerate(reader.named(node, "table")):
        values = reader.section(entry, "table")
        source = _input(reader, values.get("from"), inputs.get(name))
        format_ = _format(reader, values.get("format"), source, _TABLE_FORMATS)
        fields = _fields(reader, values.get("fields"), entry)
        key = reader.names(values.get("key"), "key")
        if not key:
            reader.incomplete(
                entry, "table", f"expected key: the field or fields that a row of table {name!r} is found by; found none"
            )
        for part in key:
            if part not in fields:
                reader.problems.unknown(values["key"].position, "field as a table's key", part, fields)
        table = Table(
            name, place, source, format_, key, fields,
            time=_field_name(reader, values.get("time"), fields),
            lateness=reader.duration(values.get("lateness"), "lateness", 0) or 0,
            valid_from=_field_name(reader, values.get("valid_from"), fields),
            static=format_ != "debezium", **_live(reader, values), wait=reader.duration(values.get("wait"), "wait", 0) or 0,
            heartbeat=_heartbeat(reader, values.get("heartbeat")), position=entry.position,
        )  # fmt: skip
        found[name] = table
    return found


def _stream(reader: Reader, name: str, place: int, entry: Node, tables: dict[str, Table], given: str | None) -> Stream | None:
    values = reader.section(entry, "stream")
    source = _input(reader, values.get("from"), given)
    format_ = _format(reader, values.get("format"), source)
    fields = _fields(reader, values.get("fields"), entry)
    whole_before = reader.choice(values.get("before"), "before", ("full",), "") == "full"
    compared = None
    if format_ == "debezium":
        compared = None if whole_before or "time" in values else _compared(source, fields, tables)
        fields = {**fields, **_change_fields(fields, whole_before=whole_before, elsewhere=compared)}
    if format_ == "cloudevents":
        fields = _event_fields(fields, timed="time" not in values)
    time = reader.text(values.get("time"), "time") or {"debezium": "__time", "cloudevents": "ce.time"}.get(format_, "")
    if time not in fields and time == "__time":
        fields[time] = FieldSpec(time, TIMESTAMP, (time,))
    where = values.get("time") or entry
    if time not in fields:
        if not fields:
            pass  # told already
        elif time:
            reader.problems.unknown(where.position, "field as the event's time", time, fields)
        else:
            reader.incomplete(entry, "stream", "expected time: the FIELD with the event's time; found none")
        fields = {**fields, time: FieldSpec(time, UNKNOWN, (time,))}
    if fields[time].type.kind not in (Kind.TIMESTAMP, Kind.NULL) or fields[time].type.optional:
        reader.problems.add(where.position, f"expected time {time!r} as a required timestamp; found {fields[time].type}")
    if isinstance(source, KafkaInput) and "lateness" not in values:
        reader.problems.add(
            entry.position, f"stream {name!r} reads Kafka: expected lateness; found none (0s if partitions are in order)"
        )
    base = Stream(
        name, place, source, format_, time, fields,
        lateness=reader.duration(values.get("lateness"), "lateness", 0) or 0,
        max_ahead=reader.duration(values.get("max_ahead"), "max_ahead", MAX_AHEAD if isinstance(source, KafkaInput) else None),
        id=_field_name(reader, values.get("id"), fields), dedup=reader.duration(values.get("dedup"), "dedup"),
        partitioned_by=_known(reader, values.get("partitioned_by"), "partitioned_by", fields),
        correlation=_correlation(reader, values.get("correlation"), fields),
        before_full=whole_before,
        snapshot=reader.choice(values.get("snapshot"), "snapshot", ("include",), "") == "include",
        key=_key_of_changes(format_, source, fields, tables), compared=compared,
        joins=_joins(reader, values.get("join"), tables), **_live(reader, values), position=entry.position,
    )  # fmt: skip
    scope = RowScope(base, reader.params, alone=True)
    condition = reader.expression(values["where"], scope, Kind.BOOL) if "where" in values else None
    whole = _with(base, where=condition, derive=_derived(reader, values.get("derive"), base, tables))
    _check_joins(reader, whole, tables, values.get("join"))
    return whole


def _live(reader: Reader, values: dict[str, Node]) -> dict[str, Any]:
    """What counts live only: silence at the end of a log."""
    return {"idle_after": reader.duration(values.get("idle_after"), "idle_after", 1_000_000) or 0}


def _heartbeat(reader: Reader, node: Node | None) -> KafkaInput | None:
    found = _input(reader, node, None)
    if found is not None and not isinstance(found, KafkaInput) and node is not None:
        reader.problems.add(node.position, "expected heartbeat as {kafka: CONNECTION/TOPIC}; found files")
    return found if isinstance(found, KafkaInput) else None


def _with(stream: Stream, **changes: Any) -> Stream:
    return replace(stream, **changes)


def _check_joins(reader: Reader, stream: Stream, tables: dict[str, Table], node: Node | None) -> None:
    """What a join is on must be a field, a derived field, or a column of another join, and of the type of the table's key."""
    good = [join for join in stream.joins.values() if join.table in tables and join.on]
    joined = {f"{j.name}.{c}": s.type for j in good for c, s in tables[j.table].fields.items()}
    fields = {name: spec.type for name, spec in stream.fields.items()}
    types = {**joined, **{name: expression.type for name, expression in stream.derive.items()}, **fields}
    for join in good:
        where = node.keys[join.name] if node is not None else stream.position
        unknown = [name for name in join.on if name not in types]
        for name in unknown:
            reader.problems.unknown(where, "field in join", name, [*stream.fields, *stream.derive, *sorted(joined)])
        key = tables[join.table].key
        if not unknown and len(join.on) != len(key):
            reader.problems.add(where, f"table {join.table!r} has the key {', '.join(key)}; found on: {', '.join(join.on)}")
        for name, column in zip(join.on, key, strict=False) if not unknown else ():
            _check_key(reader, where, join, (name, types[name]), (column, tables[join.table].fields.get(column)))
        _check_circle(reader, where, stream, join)


def _check_key(reader: Reader, where: Position | None, join: Join, on: tuple[str, Type], key: tuple[str, FieldSpec | None]) -> None:
    if key[1] is not None and Kind.NULL not in (on[1].kind, key[1].type.kind) and on[1].kind is not key[1].type.kind:
        reader.problems.add(
            where, f"join {join.name!r}: {on[0]} is {on[1].required()}, and the key {key[0]} {key[1].type.required()}"
        )


def _check_circle(reader: Reader, where: Position | None, stream: Stream, join: Join) -> None:
    """A join may start from another, and not from itself."""
    path, names = [join.name], [join.name]
    while names:
        names = [n for name in names for on in stream.joins[name].on if (n := on.partition(".")[0]) in stream.joins and "." in on]
        if join.name in names:
            reader.problems.add(where, f"joins start from each other in a circle: {' -> '.join([*path, join.name])}")
            return
        if len(path) > len(stream.joins):
            return
        path.extend(names[:1])


def _known(reader: Reader, node: Node | None, what: str, fields: dict[str, FieldSpec]) -> tuple[str, ...]:
    names = reader.names(node, what)
    for name in names:
        if name not in fields and node is not None:
            reader.problems.unknown(node.position, f"field as {what}", name, fields)
    return names


def _correlation(reader: Reader, node: Node | None, fields: dict[str, FieldSpec]) -> str | None:
    text = reader.text(node, "correlation")
    if node is not None and text and not text.startswith("header:") and text not in fields:
        reader.problems.unknown(node.position, "field as correlation (or header:NAME)", text, fields)
    return text or None


def _field_name(reader: Reader, node: Node | None, fields: dict[str, FieldSpec]) -> str | None:
    if node is None:
        return None
    name = reader.text(node, "id")
    if name not in fields:
        reader.problems.unknown(node.position, "field", name, fields)
        return None
    return name


def _derived(reader: Reader, node: Node | None, stream: Stream, tables: dict[str, Table]) -> dict[str, Expression]:
    found: dict[str, Expression] = {}
    if node is not None and not node.is_map:
        reader.problems.add(node.position, f"expected derive as {{NAME: EXPRESSION}}; found {node.shown()}")
    for name, entry in node or ():
        scope = RowScope(stream, reader.params, tables, {n: e.type for n, e in found.items()})
        if name in stream.fields:
            reader.problems.add(entry.position, f"{name!r} is both field {name} and derived field {name}; rename one")
        expression = reader.expression(entry, scope)
        found[name] = expression if expression is not None else Expression(entry.text or "", Tree("literal", UNKNOWN, "null"))
    return found


def _joins(reader: Reader, node: Node | None, tables: dict[str, Table]) -> dict[str, Join]:
    found: dict[str, Join] = {}
    for name, entry in reader.named(node, "join"):
        if entry.is_map:
            reader.keys(entry, "a join", ("table", "on"))
        table, on = (entry.map.get("table"), entry.map.get("on")) if entry.is_map else (None, entry)
        target = reader.text(table, "table", name)
        if entry.is_map and table is None:
            reader.incomplete(entry, "join", f"expected table: TABLE of join {name!r}; found none")
        elif target not in tables:
            reader.problems.unknown((table or entry).position, "table", target, tables)
        elif on is None or (on.kind != "scalar" and not on.items):
            reader.incomplete(entry, "join", f"expected on: FIELD of join {name!r}; found none")
        found[name] = Join(name, target, reader.names(on, "on") if on is None or not on.is_map else ())
    return found


def _event_fields(fields: dict[str, FieldSpec], *, timed: bool) -> dict[str, FieldSpec]:
    """The fields of a CloudEvent's data, and its attributes; ``timed``: its own time is the event's, so it must have one."""
    found = {
        name: replace(spec, path=spec.path[1:] if spec.path[0] == "ce" and len(spec.path) == 2 else ("data", *spec.path))
        for name, spec in fields.items()
    }
    for name in ("id", "source", "type", "specversion"):
        found[f"ce.{name}"] = FieldSpec(f"ce.{name}", STRING, (name,))
    for name in _ATTRIBUTES:
        found[f"ce.{name}"] = FieldSpec(f"ce.{name}", replace(STRING, optional=True), (name,))
    found["ce.time"] = FieldSpec("ce.time", replace(TIMESTAMP, optional=not timed), ("time",))
    return found


def _key_of_changes(
    format_: str, source: Input | None, fields: Mapping[str, FieldSpec], tables: dict[str, Table]
) -> tuple[str, ...]:
    """The primary key of a stream's changes: that of a table fed by the same records."""
    if format_ != "debezium":
        return ()
    feeding = (table for table in tables.values() if table.input == source and table.format == "debezium")
    return next((tuple(table.key) for table in feeding if set(table.key) <= fields.keys()), ())


def _compared(source: Input | None, fields: Mapping[str, FieldSpec], tables: dict[str, Table]) -> Join | None:
    """The table that keeps the rows of the same records, and the fields that both declare alike; both by the changes' own time."""
    for table in tables.values():
        if source is not None and table.input == source and table.format == "debezium" and table.time is None:
            alike = tuple(name for name, spec in fields.items() if name in table.fields and _alike(spec, table.fields[name]))
            if set(table.key) <= set(alike):
                return Join("", table.name, table.key, alike)
    return None


def _alike(one: FieldSpec, other: FieldSpec) -> bool:
    return one.path == other.path and replace(one.type, optional=True) == replace(other.type, optional=True)


def _change_fields(fields: dict[str, FieldSpec], *, whole_before: bool, elsewhere: Join | None) -> dict[str, FieldSpec]:
    """What a stream of changes has besides the row: op, what changed, and images before where they are whole."""
    extra = {"op": FieldSpec("op", STRING, ("__op",))}
    for name, spec in fields.items():
        if whole_before:
            extra[f"before.{name}"] = FieldSpec(f"before.{name}", replace(spec.type, optional=True), ("__before", *spec.path))
        if elsewhere is None or name not in elsewhere.compares:
            extra[f"changed({name})"] = changed_field(name)
    return extra


def changed_field(name: str) -> FieldSpec:
    """Whether a field changed, told by a change's own images."""
    return FieldSpec(f"changed({name})", replace(BOOL, optional=True), ("__changed", name))


def _fields(reader: Reader, node: Node | None, entry: Node) -> dict[str, FieldSpec]:
    if node is None:
        reader.incomplete(entry, "stream", "expected fields with their types; found none")
        return {}
    if not node.map:
        reader.problems.add(node.position, f"expected fields with their types; found {node.shown()}")
        return {}
    found: dict[str, FieldSpec] = {}
    for name, value in node:
        nested = value.map if value.is_map else {"type": value}
        reader.keys(value, "a field", ("type", "path", "pii")) if value.is_map else None
        if "type" not in nested or (nested["type"].kind == "scalar" and nested["type"].text is None):
            reader.problems.add(value.position, f"field {name!r}: expected its type, such as string or float?; found none")
            found[name] = FieldSpec(name, STRING, (name,))
            continue
        path = tuple(reader.text(nested["path"], "path", name).split(".")) if "path" in nested else (name,)
        try:
            type_ = parse_type(reader.text(nested["type"], f"the type of field {name!r}", "string"))
        except ValueError as error:
            near = suggest(nested["type"].text or "", _TYPES) if "(" not in (nested["type"].text or "") else ""
            reader.problems.add(nested["type"].position, f"field {name!r}: {error}{near}")
            type_ = UNKNOWN
        found[name] = FieldSpec(name, type_, path, reader.text(nested.get("pii"), "pii") or None)
    return found


def _input(reader: Reader, node: Node | None, given: str | None) -> Input | None:
    if given is not None:
        return FileInput((str(Path(given).resolve()),))
    if node is None:
        return None
    if not node.is_map or len(node.map) == 0:
        reader.problems.add(node.position, f"expected from as {{file: PATH}} or {{kafka: CONNECTION/TOPIC}}; found {node.shown()}")
        return None
    if "schedule" in node.map:
        reader.problems.add(node.keys["schedule"], not_in_this_version("'schedule'"))
        return None
    reader.keys(node, "from", ("file", "files", "as", "kafka"))
    sources = [key for key in ("file", "files", "kafka") if key in node.map]
    if not sources and any(key not in ("as",) for key in node.map):
        return None
    if len(sources) != 1:
        reader.problems.add(
            node.position, f"expected one of file, files and kafka in from; found {' and '.join(sources) or 'none'}"
        )
        return None
    place = node.map[sources[0]]
    texts = reader.names(place, sources[0])
    if not any(texts):
        reader.problems.add(place.position, f"expected {sources[0]} as a name or a list of names; found {place.shown()}")
        return None
    if sources[0] == "kafka":
        topics = [topic_of(reader, item) for item in (place.items or [place])]
        if len({connection for connection, _ in topics}) > 1:
            reader.problems.add(place.position, "expected all topics of a stream on one connection; found several")
        return KafkaInput(topics[0][0], tuple(topic for _, topic in topics))
    as_ = reader.choice(node.map.get("as"), "as", ("partitions",), "")
    return FileInput(tuple(reader.path(place, text) for text in texts), as_partitions=as_ == "partitions")


def _check_avro(reader: Reader, node: Node, source: Input | None) -> None:
    """Avro comes from topics, and its schemas from their connection's registry."""
    if isinstance(source, FileInput):
        reader.problems.add(node.position, not_in_this_version("'avro' of files, which is read from topics,"))
    elif isinstance(source, KafkaInput) and not has_registry(reader, source.connection):
        expected = f"expected {REGISTRY}: {{url: …}} in connection {source.connection!r} for the schemas of format avro; found none"
        reader.problems.add(node.position, expected)


def _format(reader: Reader, node: Node | None, source: Input | None, formats: tuple[str, ...] = _FORMATS) -> Format:
    default = "json"
    if isinstance(source, FileInput):
        path = source.globs[0].removesuffix(".gz")
        default = _SUFFIXES.get(Path(path).suffix, "json")
    if node is not None and node.text == "avro" and "avro" in formats:
        _check_avro(reader, node, source)
    return reader.choice(node, "format", formats, default)  # type: ignore[return-value]
