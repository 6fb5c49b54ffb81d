"""Parts of patterns: title, severity, active hours, labels, version, hold, suppression."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from models.application.nodes import Node
from models.application.reader import Reader
from models.application.resolved.patterns import Active, Hold, Suppress, Template
from models.application.resolved.places import By
from models.application.resolved.sources import Stream
from models.application.scopes import RowScope
from models.application.stepscope import StepScope
from models.expressions.expression import Expression
from models.values.types import Kind

LEVELS = ("info", "low", "medium", "high", "critical")
_HOLD = re.compile(r"(\d+) of (\d+)")
_HOLE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")


def title(reader: Reader, node: Node | None, scope: RowScope | StepScope, name: str, entities: Mapping[str, str]) -> Template:
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
        expression = reader.expression(inner, scope)
        parts.append(expression if expression is not None else "")
    plain.append(node.text[at:])
    parts.append(plain[-1])
    if any("{" in part or "}" in part for part in plain):
        reader.problems.add(node.position, f"expected each {{ of a title with its }}; found {node.shown()}")
    return Template(node.text, tuple(part for part in parts if part != ""))


def severity(reader: Reader, node: Node | None, scope: RowScope | StepScope) -> tuple[tuple[Any, Expression | None], ...]:
    """A level, or levels with conditions; the first that holds counts."""
    if node is None:
        return (("medium", None),)
    if not node.is_map:
        return ((reader.choice(node, "severity", LEVELS, "medium"), None),)
    found = []
    if not node.map:
        reader.problems.add(node.position, f"expected severity as a level or {{LEVEL: CONDITION}}; found {node.shown()}")
    for level, condition in node:
        if level not in LEVELS:
            reader.problems.unknown(node.keys[level], "severity", level, LEVELS)
        found.append((level, reader.expression(condition, scope, Kind.BOOL)))
    return tuple(found)


def active(reader: Reader, node: Node | None) -> Active | None:
    """When a pattern counts."""
    if node is None:
        return None
    for key, inside in (("in", True), ("not_in", False)):
        if node.is_map and [*node.map] == [key]:
            name = reader.text(node.map[key], "calendar")
            if name in reader.facts.calendars:
                return Active(reader.facts.calendars[name], inside)
            reader.problems.unknown(node.map[key].position, "calendar", name, reader.facts.calendars)
            return None
    reader.problems.add(
        node.position, f"expected active as {{in: CALENDAR}} or {{not_in: CALENDAR}}; found {node.shown()}"
    )
    return None


def labels(reader: Reader, node: Node | None) -> dict[str, str]:
    """Names and values for whoever reads flags."""
    if node is not None and not node.is_map:
        reader.problems.add(node.position, f"expected labels as {{NAME: VALUE}}; found {node.shown()}")
    return {key: reader.text(value, f"label {key!r}") for key, value in node or ()}


def version(reader: Reader, node: Node | None) -> str:
    """A version such as 2 or 2.1, whose whole part is part of the flags' type and ids."""
    text = reader.text(node, "version", "1")
    if node is not None and text and not re.fullmatch(r"\d+(\.\d+)*", text):
        reader.problems.add(node.position, f"expected version as a number such as 2 or 2.1; found {text!r}")
        return "1"
    return text


def hold(reader: Reader, node: Node | None) -> Hold | None:
    """``hold: 3 of 5``, or a time."""
    if node is None:
        return None
    text = reader.text(node, "hold")
    if found := _HOLD.fullmatch(text):
        if not 1 <= int(found[1]) <= int(found[2]):
            reader.problems.add(node.position, f"expected hold as N of M with N <= M; found {text!r}")
        return Hold(int(found[1]), int(found[2]))
    time = reader.duration(node, "hold", least=1)
    return None if time is None else Hold(time=time)


def suppress(reader: Reader, node: Node | None, stream: Stream, by: By) -> Suppress:
    """How hits become fewer flags."""
    if node is None:
        return Suppress()
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
