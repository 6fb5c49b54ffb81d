"""Streams and tables: where rows come from and what is in them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from models.application.nodes import Node
from models.application.reader import Reader
from models.application.resolved import FieldSpec, FileInput, Format, Input, Join, KafkaInput, Stream, Table
from models.application.scopes import RowScope
from models.expressions.expression import Expression
from models.values.types import BOOL, STRING, TIMESTAMP, Kind, Type, parse_type

_SUFFIXES = {".jsonl": "json", ".json": "json", ".ndjson": "json", ".csv": "csv", ".parquet": "parquet"}
_FORMATS = ("json", "csv", "parquet", "debezium")


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
        format_ = _format(reader, values.get("format"), source)
        fields = _fields(reader, values.get("fields"), entry)
        key = reader.names(values.get("key"), "key")
        for part in key or ("",):
            if part not in fields:
                reader.problems.unknown((values.get("key") or entry).position, "field as a table's key", part, fields)
        table = Table(
            name, place, source, format_, key, fields,
            time=reader.text(values.get("time"), "time") or None,
            lateness=reader.duration(values.get("lateness"), "lateness", 0) or 0,
            valid_from=reader.text(values.get("valid_from"), "valid_from") or None,
            static=format_ != "debezium", position=entry.position,
        )  # fmt: skip
        found[name] = table
    return found


def _stream(reader: Reader, name: str, place: int, entry: Node, tables: dict[str, Table], given: str | None) -> Stream | None:
    values = reader.section(entry, "stream")
    source = _input(reader, values.get("from"), given)
    format_ = _format(reader, values.get("format"), source)
    fields = _fields(reader, values.get("fields"), entry)
    if format_ == "debezium":
        fields = {**fields, **_change_fields(fields)}
    time = reader.text(values.get("time"), "time") or {"debezium": "__time", "cloudevents": "ce.time"}.get(format_, "")
    if time not in fields and time in ("__time", "ce.time"):
        fields[time] = FieldSpec(time, TIMESTAMP, (time,))
    where = values.get("time") or entry
    if time not in fields:
        reader.problems.unknown(where.position, "field as the event's time", time, fields)
        return None
    if fields[time].type.kind is not Kind.TIMESTAMP or fields[time].type.optional:
        reader.problems.add(where.position, f"expected time {time!r} as a required timestamp; found {fields[time].type}")
    if isinstance(source, KafkaInput) and "lateness" not in values:
        reader.problems.add(
            entry.position, f"stream {name!r} reads Kafka: expected lateness; found none (0s if partitions are in order)"
        )
    base = Stream(
        name, place, source, format_, time, fields,
        lateness=reader.duration(values.get("lateness"), "lateness", 0) or 0,
        max_ahead=reader.duration(values.get("max_ahead"), "max_ahead"),
        id=_field_name(reader, values.get("id"), fields), dedup=reader.duration(values.get("dedup"), "dedup"),
        partitioned_by=reader.names(values.get("partitioned_by"), "partitioned_by"),
        correlation=reader.text(values.get("correlation"), "correlation") or None,
        before_full=reader.text(values.get("before"), "before") == "full",
        snapshot=reader.text(values.get("snapshot"), "snapshot") == "include",
        joins=_joins(reader, values.get("join"), tables), position=entry.position,
    )  # fmt: skip
    scope = RowScope(base, reader.params)
    condition = reader.expression(values["where"], scope, Kind.BOOL) if "where" in values else None
    whole = _with(base, where=condition, derive=_derived(reader, values.get("derive"), base, tables))
    _check_joins(reader, whole, tables, values.get("join"))
    return whole


def _with(stream: Stream, **changes: Any) -> Stream:
    return replace(stream, **changes)


def _check_joins(reader: Reader, stream: Stream, tables: dict[str, Table], node: Node | None) -> None:
    """What a join is on must be a field, a derived field, or a column of another join."""
    joined = {f"{j.name}.{column}" for j in stream.joins.values() for column in tables[j.table].fields}
    for join in stream.joins.values():
        for name in join.on:
            if name not in stream.fields and name not in stream.derive and name not in joined and node is not None:
                known = [*stream.fields, *stream.derive, *sorted(joined)]
                reader.problems.unknown(node.keys[join.name], "field in join", name, known)


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
    for name, entry in reader.named(node, "derived field"):
        scope = RowScope(stream, reader.params, tables, {n: e.type for n, e in found.items()})
        if name in stream.fields:
            reader.problems.add(entry.position, f"{name!r} is both field {name} and derived field {name}; rename one")
        expression = reader.expression(entry, scope)
        if expression is not None:
            found[name] = expression
    return found


def _joins(reader: Reader, node: Node | None, tables: dict[str, Table]) -> dict[str, Join]:
    found: dict[str, Join] = {}
    for name, entry in reader.named(node, "join"):
        table, on = (entry.map.get("table"), entry.map.get("on")) if entry.is_map else (None, entry)
        target = reader.text(table, "table", name)
        if target not in tables:
            reader.problems.unknown((table or entry).position, "table", target, tables)
            continue
        found[name] = Join(name, target, reader.names(on, "on"))
    return found


def _change_fields(fields: dict[str, FieldSpec]) -> dict[str, FieldSpec]:
    """What a stream of changes has besides the row: op, before-images, and what changed."""
    extra = {"op": FieldSpec("op", STRING, ("op",))}
    for name, spec in fields.items():
        optional = Type(spec.type.kind, spec.type.precision, spec.type.scale, spec.type.unit, spec.type.item, optional=True)
        extra[f"before.{name}"] = FieldSpec(f"before.{name}", optional, ("before", name))
        extra[f"changed({name})"] = FieldSpec(f"changed({name})", Type(BOOL.kind, optional=True), (f"changed({name})",))
    return extra


def _fields(reader: Reader, node: Node | None, entry: Node) -> dict[str, FieldSpec]:
    if node is None or not node.is_map:
        reader.problems.add((node or entry).position, "expected fields with their types; found none")
        return {}
    found: dict[str, FieldSpec] = {}
    for name, value in node:
        nested = value.map if value.is_map else {}
        text = reader.text(nested.get("type") if nested else value, f"the type of field {name!r}")
        path = tuple((nested["path"].text or name).split(".")) if "path" in nested else (name,)
        for key in nested:
            if key not in ("type", "path", "pii"):
                reader.problems.unknown(value.keys[key], "key of a field", key, ("type", "path", "pii"))
        try:
            found[name] = FieldSpec(name, parse_type(text), path, reader.text(nested.get("pii"), "pii") or None)
        except ValueError as error:
            reader.problems.add(value.position, f"field {name!r}: {error}")
            found[name] = FieldSpec(name, STRING, path)
    return found


def _input(reader: Reader, node: Node | None, given: str | None) -> Input | None:
    if given is not None:
        return FileInput((str(Path(given).resolve()),))
    if node is None:
        return None
    if not node.is_map or len(node.map) == 0:
        reader.problems.add(node.position, f"expected from as {{file: PATH}} or {{kafka: CONNECTION/TOPIC}}; found {node.shown()}")
        return None
    for key in node.map:
        if key == "schedule":
            reader.problems.add(node.keys[key], "'schedule' is not in this version")
        elif key not in ("file", "files", "as", "kafka", "tz"):
            reader.problems.unknown(node.keys[key], "source", key, ("file", "files", "kafka"))
    if "kafka" in node.map:
        topics = reader.names(node.map["kafka"], "kafka")
        connection = topics[0].partition("/")[0] if topics and "/" in topics[0] else ""
        return KafkaInput(connection, tuple(topic.rpartition("/")[2] for topic in topics))
    paths = reader.names(node.map.get("file") or node.map.get("files"), "file")
    return FileInput(tuple(str(reader.folder / path) for path in paths), as_partitions="as" in node.map) if paths else None


def _format(reader: Reader, node: Node | None, source: Input | None) -> Format:
    default = "json"
    if isinstance(source, FileInput):
        path = source.globs[0].removesuffix(".gz")
        default = _SUFFIXES.get(Path(path).suffix, "json")
    if node is not None and node.text in ("avro", "cloudevents"):
        reader.problems.add(node.position, f"{node.text!r} is not in this version")
        return "json"
    return reader.choice(node, "format", _FORMATS, default)  # type: ignore[return-value]
