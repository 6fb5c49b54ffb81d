"""An application file, loaded, checked and resolved: the page to read first of this package."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from models.application import facts as fact_sections
from models.application import sources
from models.application.connections import REGISTRY, connections, topic_of, without_secrets
from models.application.derived import FlagStreams
from models.application.errors import Problems
from models.application.features import FactReader, with_event_fields
from models.application.labels import LabelReader, with_reads
from models.application.merge import whole
from models.application.nodes import Node, text_of
from models.application.patterns import PatternReader
from models.application.reader import Reader
from models.application.resolved.application import Application, Outputs, Storm
from models.application.resolved.facts import Feature, Score
from models.application.resolved.sources import KafkaInput, Stream, Table
from models.application.respond.flagscope import FlagScope, flag_scope
from models.application.respond.read import read_respond
from models.application.rollups import RollupReader, places
from models.application.tests import read_tests
from models.expressions.facts import Facts


def load(
    path: Path,
    *,
    overlays: Sequence[Path] = (),
    params: Mapping[str, str] | None = None,
    inputs: Mapping[str, str] | None = None,
) -> Application:
    """Load an application file.

    Raises:
        ApplicationErrors: with everything that is wrong with it.
    """
    problems = Problems()
    root = whole(path, overlays, problems)
    text = json.dumps(without_secrets(root.plain()), sort_keys=True)  # before secrets are filled in
    reader = Reader(problems)
    values = reader.section(root, "application")
    if text_of(values, "tocsin", "") != "1":
        problems.add(
            values["tocsin"].position if "tocsin" in values else root.position, "expected tocsin: 1, the language's version"
        )
    _check_head(reader, root, values)
    reader.connections = connections(reader, values.get("connections"))
    reader.params = fact_sections.params(reader, values.get("params"), dict(params or {}))
    reader.facts = Facts(fact_sections.lists(reader, values.get("lists")), fact_sections.calendars(reader, values.get("calendars")))
    tables = sources.tables(reader, values.get("tables"), dict(inputs or {}))
    streams = sources.streams(reader, values.get("streams"), tables, dict(inputs or {}))
    _check_names(problems, values)
    _check_inputs(problems, {*tables, *streams}, dict(inputs or {}))
    flags = FlagStreams(reader, streams, tables, values.get("patterns"))
    facts = FactReader(reader, streams, tables, flags)
    facts.add(values.get("features"), values.get("scores"))
    order = places(values)
    rollup_reader = RollupReader(reader, facts, values.get("rollups"), order)
    LabelReader(reader, facts, values.get("labels"))
    rollup_reader.all()
    patterns = PatternReader(reader, facts, order).read(values.get("patterns"))
    facts.all()
    rollups = rollup_reader.all()
    tests = read_tests(reader, values, streams, tables, patterns, rollups)
    outputs, storm, max_dead = _outputs(reader, values.get("flags")), _storm(reader, values.get("storm")), _max_dead(reader, values)
    version = reader.text(values.get("version"), "version", "1")
    found: Application | None = None
    if not problems.found:
        found = Application(
            text_of(values, "name", path.stem), version, str(path),
            streams, tables, {}, {n: f for n, f in facts.done.items() if isinstance(f, Score)}, patterns, reader.facts.calendars,
            reader.facts.lists, {name: constant.value for name, constant in reader.params.items()},
            outputs, storm, tests, max_dead,
            tuple(problems.warnings), text, hashlib.sha256(text.encode()).hexdigest(),
            flags.resolved(), rollups,
        )  # fmt: skip
        features = {name: fact for name, fact in facts.done.items() if isinstance(fact, Feature)}
        reads = _all_reads(found, features)
        found = replace(
            found,
            rollups=with_reads(rollups, features),
            features={name: with_event_fields(f, reads) if f.event else f for name, f in features.items()},
            connections=settings(reader.connections, "kafka"),
            registries={name: found for name, found in settings(reader.connections, REGISTRY).items() if found},
        )
    scope = FlagScope({}, lenient=True) if found is None else flag_scope(found, reader.params)
    respond = read_respond(reader, values, scope, patterns, text)
    problems.raise_if_any()
    assert found is not None
    return replace(found, respond=respond)


def refuse_kafka(application: Application, *, sinks: bool = True) -> list[str]:
    """What a command over files cannot do: each Kafka source (and sink), in the words of ``check``."""
    later = "this command reads files"
    sources_: list[Stream | Table] = [*application.tables.values(), *application.streams.values()]
    found = [
        f"{source.position}: Kafka source of {source.name!r}: {later}; give a file with --input {source.name}=FILE"
        for source in sources_
        if isinstance(source.input, KafkaInput)
    ]
    outputs = {"to": application.outputs.to, "late": application.outputs.late, "dead_letters": application.outputs.dead_letters}
    found += [
        f"{application.path}: Kafka sink flags.{name}: {later}; give a file, or lay one over it with --with"
        for name, output in outputs.items()
        if isinstance(output, tuple) and sinks
    ]
    return found


def settings(connections: Mapping[str, Node], part: str) -> dict[str, dict[str, str]]:
    """The settings of one part of each connection as text."""
    found: dict[str, dict[str, str]] = {}
    for name, entry in connections.items():
        given = entry.map.get(part) if entry.is_map else None
        found[name] = {key: value.text or "" for key, value in given} if given is not None and given.is_map else {}
    return found


def without_source(application: Application) -> list[str]:
    """Streams and tables that nothing feeds, which a run would say nothing of."""
    sources_: list[Stream | Table] = [*application.tables.values(), *application.streams.values()]
    return [
        f"{source.position}: {source.name!r} has no source; expected from: {{file: PATH}}, or --input {source.name}=FILE"
        for source in sources_
        if source.input is None
    ]


def _check_head(reader: Reader, root: Node, values: Mapping[str, Node]) -> None:
    """What every application says of itself."""
    problems = reader.problems
    if "name" in values:
        reader.name(reader.text(values["name"], "name"), values["name"].position, "application", hyphens=True)
    else:
        problems.add(root.position, "expected name: the application's name; found none")
    if "streams" not in values or not values["streams"].map:
        problems.add(root.position, "expected streams: at least one stream of events; found none")


def _check_names(problems: Problems, values: Mapping[str, Node]) -> None:
    """Streams, tables, rollups and patterns share one name space."""
    seen: dict[str, str] = {}
    for section in ("streams", "tables", "rollups", "patterns"):
        node = values.get(section)
        for name in node.map if node is not None else ():
            if name in seen and node is not None:
                problems.add(node.keys[name], f"{name!r} is both one of the {seen[name]} and one of the {section}; rename one")
            seen[name] = section


def _check_inputs(problems: Problems, known: set[str], inputs: dict[str, str]) -> None:
    for name in inputs:
        if name not in known:
            problems.unknown(None, "stream or table in --input", name, sorted(known))


def _outputs(reader: Reader, node: Node | None) -> Outputs:
    if node is None:
        return Outputs()
    values = reader.section(node, "flags")

    def output(name: str) -> str | tuple[str, str] | None:
        entry = values.get(name)
        if entry is None:
            return None
        if entry.is_map:
            reader.keys(entry, f"flags.{name}", ("file", "kafka"))
            if entry.map and not {"file", "kafka"} >= set(entry.map):
                return None
        if entry.is_map and len(entry.map) == 1 and "kafka" in entry.map:
            return topic_of(reader, entry.map["kafka"])
        if entry.is_map and len(entry.map) == 1 and "file" in entry.map:
            return reader.path(entry.map["file"], reader.text(entry.map["file"], "file"))
        reader.problems.add(entry.position, f"expected {{file: PATH}} or {{kafka: CONNECTION/TOPIC}}; found {entry.shown()}")
        return None

    return Outputs(
        output("to"), output("late"), output("dead_letters"), reader.text(values.get("source_prefix"), "source_prefix", "/tocsin"),
        reader.text(values.get("type_prefix"), "type_prefix", "tocsin.flag"),
    )  # fmt: skip


def _storm(reader: Reader, node: Node | None) -> Storm | None:
    if node is None:
        return None
    values = reader.section(node, "storm")
    if node.is_map and len(values) < 2:
        reader.problems.add(node.position, f"expected storm as {{max: COUNT, per: DURATION}}; found {node.shown()}")
    per = reader.duration(values.get("per"), "storm.per", least=1)
    return Storm(reader.integer(values["max"], "storm.max", 1, 1), per) if "max" in values and per else None


def _max_dead(reader: Reader, values: Mapping[str, Node]) -> dict[str, float]:
    found: dict[str, float] = {}
    for section in ("streams", "tables"):
        for name, entry in values.get(section, []):
            node = entry.map.get("max_dead") if entry.is_map else None
            if node is None:
                continue
            text = reader.text(node, "max_dead")
            try:
                found[name] = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
            except ValueError:
                found[name] = -1.0
            if not 0 <= found[name] <= 1:
                reader.problems.add(node.position, f"expected max_dead as a share from 0 to 100%, such as 5%; found {text!r}")
    return found


def _all_reads(application: Application, features: Mapping[str, Feature]) -> set[str]:
    reads: set[str] = set()
    for pattern in application.patterns.values():
        reads |= pattern.reads
    measures = [measure for rollup in application.rollups.values() for measure in rollup.select]
    facts: list[Feature | Score] = [*features.values(), *application.scores.values(), *measures]
    for fact in facts:
        for expression in (fact.value, fact.where):
            reads |= expression.reads if expression is not None else set()
    for stream in application.streams.values():
        for expression in stream.derive.values():
            reads |= expression.reads
    return reads
