"""An application file, loaded, checked and resolved: the page to read first of this package."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from models.application import facts as fact_sections
from models.application import sources
from models.application.errors import Problems
from models.application.features import FactReader, with_event_fields
from models.application.keys import not_in_this_version
from models.application.nodes import Node, read, text_of
from models.application.patterns import PatternReader
from models.application.reader import Reader
from models.application.resolved import Application, Feature, KafkaInput, Outputs, Score, Storm, Stream, Table
from models.application.tests import read_tests
from models.expressions.facts import Facts

_MERGED = ("connections", "params", "streams", "tables", "features", "scores", "calendars", "lists", "patterns")
_OVERLAY = ("connections", "flags", "params")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


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
    root = _whole(path, overlays, problems)
    reader = Reader(problems, path.parent.resolve())
    values = reader.section(root, "application")
    if text_of(values, "tocsin", "") != "1":
        problems.add(
            values["tocsin"].position if "tocsin" in values else root.position, "expected tocsin: 1, the language's version"
        )
    reader.params = fact_sections.params(reader, values.get("params"), dict(params or {}))
    reader.facts = Facts(fact_sections.lists(reader, values.get("lists")), fact_sections.calendars(reader, values.get("calendars")))
    tables = sources.tables(reader, values.get("tables"), dict(inputs or {}))
    streams = sources.streams(reader, values.get("streams"), tables, dict(inputs or {}))
    _check_names(problems, values)
    _check_inputs(problems, root, {*tables, *streams}, dict(inputs or {}))
    facts = FactReader(reader, streams, tables)
    facts.add(values.get("features"), values.get("scores"))
    patterns = PatternReader(reader, facts).read(values.get("patterns"))
    facts.all()
    tests = read_tests(reader, values, streams, tables, patterns)
    problems.raise_if_any()
    text = json.dumps(root.plain(), sort_keys=True)
    found = Application(
        reader.text(values.get("name"), "name", path.stem), reader.text(values.get("version"), "version", "1"), str(path),
        streams, tables, {}, {n: f for n, f in facts.done.items() if isinstance(f, Score)}, patterns, reader.facts.calendars,
        reader.facts.lists, {name: constant.value for name, constant in reader.params.items()},
        _outputs(reader, values.get("flags")), _storm(reader, values.get("storm")), tests, _max_dead(reader, values),
        tuple(problems.warnings), text, hashlib.sha256(text.encode()).hexdigest(),
    )  # fmt: skip
    problems.raise_if_any()
    features = {name: fact for name, fact in facts.done.items() if isinstance(fact, Feature)}
    reads = _all_reads(found, features)
    return replace(found, features={name: with_event_fields(f, reads) if f.event else f for name, f in features.items()})


def refuse_kafka(application: Application) -> list[str]:
    """What a run over files cannot do: each Kafka source and sink, in the words of ``check``."""
    later = not_in_this_version("running on Kafka")
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
        if isinstance(output, tuple)
    ]
    return found


def _whole(path: Path, overlays: Sequence[Path], problems: Problems) -> Node:
    """The main file with its includes and overlays merged in."""
    root = read(path, str(path), problems)
    if not root.is_map:
        problems.add(root.position, f"expected an application; found {root.shown()}")
        problems.raise_if_any()
    include = root.map.get("include")
    for pattern in include.items if include is not None else []:
        for part in sorted(path.parent.glob(pattern.text or "")):
            _merge(root, read(part, str(part), problems), _MERGED, problems, replace_=False)
    for overlay in overlays:
        _merge(root, read(overlay, str(overlay), problems), _OVERLAY, problems, replace_=True)
    connections = root.map.get("connections")
    if connections is not None:
        _substitute(connections, problems)
    return root


def _merge(root: Node, part: Node, allowed: tuple[str, ...], problems: Problems, *, replace_: bool) -> None:
    for section, value in part:
        if section not in allowed:
            problems.unknown(part.keys[section], "section here", section, allowed)
            continue
        target = root.map.setdefault(section, value)
        for name, entry in value:
            if name in target.map and target is not value and not replace_:
                problems.add(value.keys[name], f"{name!r} is defined twice: also at {target.keys[name]}")
            target.map[name], target.keys[name] = entry, value.keys[name]


def _substitute(node: Node, problems: Problems) -> None:
    """Environment variables, which stand in connections only."""
    for child in [*node.map.values(), *node.items]:
        _substitute(child, problems)
    if node.text is not None and "${" in node.text:

        def value(found: re.Match[str]) -> str:
            given = os.environ.get(found[1], found[2])
            if given is None:
                problems.add(node.position, f"expected the environment variable {found[1]}; it is not set")
            return given or ""

        node.text = _VARIABLE.sub(value, node.text)


def _check_names(problems: Problems, values: Mapping[str, Node]) -> None:
    """Streams, tables and patterns share one name space."""
    seen: dict[str, str] = {}
    for section in ("streams", "tables", "patterns"):
        node = values.get(section)
        for name in node.map if node is not None else ():
            if name in seen and node is not None:
                problems.add(node.keys[name], f"{name!r} is both one of the {seen[name]} and one of the {section}; rename one")
            seen[name] = section


def _check_inputs(problems: Problems, root: Node, known: set[str], inputs: dict[str, str]) -> None:
    for name in inputs:
        if name not in known:
            problems.unknown(root.position, "stream or table in --input", name, sorted(known))


def _outputs(reader: Reader, node: Node | None) -> Outputs:
    if node is None:
        return Outputs()
    values = reader.section(node, "flags")

    def output(name: str) -> str | tuple[str, str] | None:
        entry = values.get(name)
        if entry is None:
            return None
        if entry.is_map and "kafka" in entry.map:
            connection, _, topic = (entry.map["kafka"].text or "").rpartition("/")
            return connection, topic
        if entry.is_map and "file" in entry.map:
            return str(reader.folder / (entry.map["file"].text or ""))
        reader.problems.add(entry.position, f"expected {{file: PATH}} or {{kafka: CONNECTION/TOPIC}}; found {entry.shown()}")
        return None

    return Outputs(
        output("to"), output("late"), output("dead_letters"), reader.text(values.get("source_prefix"), "source_prefix", "/tocsin"),
        reader.text(values.get("type_prefix"), "type_prefix", "tocsin.flag"),
    )  # fmt: skip


def _storm(reader: Reader, node: Node | None) -> Storm | None:
    if node is None:
        return None
    reader.problems.add(node.position, not_in_this_version("'storm'"))
    return None


def _max_dead(reader: Reader, values: Mapping[str, Node]) -> dict[str, float]:
    found: dict[str, float] = {}
    for section in ("streams", "tables"):
        for name, entry in values.get(section, []):
            node = entry.map.get("max_dead") if entry.is_map else None
            if node is not None and node.text is not None:
                text = node.text.removesuffix("%")
                try:
                    found[name] = float(text) / (100 if node.text.endswith("%") else 1)
                except ValueError:
                    reader.problems.add(node.position, f"expected max_dead as a share such as 5%; found {node.text!r}")
    return found


def _all_reads(application: Application, features: Mapping[str, Feature]) -> set[str]:
    reads: set[str] = set()
    for pattern in application.patterns.values():
        reads |= pattern.reads
    facts: list[Feature | Score] = [*features.values(), *application.scores.values()]
    for fact in facts:
        for expression in (fact.value, fact.where):
            reads |= expression.reads if expression is not None else set()
    for stream in application.streams.values():
        for expression in stream.derive.values():
            reads |= expression.reads
    return reads
