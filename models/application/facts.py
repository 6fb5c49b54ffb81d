"""Parameters, calendars and lists."""

from __future__ import annotations

import csv
import hashlib
import math
import re
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from models.application.durations import parse_duration
from models.application.keys import not_in_this_version
from models.application.nodes import Node
from models.application.reader import Reader
from models.expressions.coerce import rescale_text
from models.expressions.facts import Calendar, ListFact
from models.expressions.scope import Constant
from models.values.types import FLOAT, INT, INTERVAL, STRING, Kind, Type, decimal, parse_type

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]|24(?=:00)):([0-5]\d)")


def params(reader: Reader, node: Node | None, given: dict[str, str]) -> dict[str, Constant]:
    """Parameters by name; ``given`` ones win."""
    found: dict[str, Constant] = {}
    for name, entry in reader.named(node, "param"):
        value = entry if entry.kind == "scalar" else reader.section(entry, "param").get("value")
        text = given.get(name, value.text or "" if value is not None else "")
        constant = _constant(text)
        if constant is None:
            where = None if name in given else (value or entry).position
            source = "--param: " if name in given else ""
            if where is not None and entry.is_map and value is None:
                reader.incomplete(entry, "param", f"expected value: NUMBER of parameter {name!r}; found none")
            else:
                reader.problems.add(where, f"{source}expected parameter {name!r} as a number or duration; found {text!r}")
            constant = _constant(value.text or "") if value is not None and name in given else None
        if constant is not None:
            found[name] = constant
            _check_range(reader, entry, name, constant)
    for name in given:
        if node is None or name not in node.map:
            reader.problems.unknown(None, "parameter in --param", name, [] if node is None else node.map)
    return found


def _constant(text: str) -> Constant | None:
    if re.fullmatch(r"-?\d{1,18}", text):
        return Constant(int(text), INT)
    if re.fullmatch(r"-?\d+\.\d+", text) and len(text) <= 18:
        scale = len(text.partition(".")[2])
        return Constant(int(Decimal(text).scaleb(scale)), decimal(18, scale))
    span = parse_duration(text)
    if span is not None:
        return Constant(span, INTERVAL)
    try:
        number = float(text.replace("_", "?"))
        return Constant(number, FLOAT) if math.isfinite(number) else None
    except ValueError:
        return None


def _check_range(reader: Reader, entry: Node, name: str, constant: Constant) -> None:
    step = entry.map.get("step") if entry.is_map else None
    if step is not None and (_constant(step.text or "") is None or step.kind != "scalar"):
        reader.problems.add(step.position, f"expected step of parameter {name!r} as a number or duration; found {step.shown()}")
    span = entry.map.get("range") if entry.is_map else None
    if span is None:
        return
    if span.text is None:
        reader.problems.add(span.position, f'expected range as "LOW..HIGH"; found {span.shown()}')
        return
    low, dots, high = (_constant(part) if part != ".." else part for part in span.text.partition(".."))
    if not dots or low is None or high is None:
        reader.problems.add(span.position, f'expected range as "LOW..HIGH"; found {span.text!r}')
    elif not _plain(low) <= (value := _plain(constant)) <= _plain(high):
        shown = f"{value:g}" if constant.type.kind is not Kind.INTERVAL else f"{value / 1_000_000:g}s"
        reader.problems.add(span.position, f"parameter {name!r}: expected a value in {span.text}; found {shown}")


def _plain(constant: Any) -> float:
    return float(constant.value) / float(10**constant.type.scale)


def calendars(reader: Reader, node: Node | None) -> dict[str, Calendar]:
    """Calendars by name."""
    found: dict[str, Calendar] = {}
    for name, entry in reader.named(node, "calendar"):
        values = reader.section(entry, "calendar")
        zone = reader.text(values.get("tz"), "tz", "UTC")
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            reader.problems.add(values["tz"].position, f"unknown time zone {zone!r}; expected one such as Europe/Berlin")
            zone = "UTC"
        hours = _HOURS.fullmatch(text := reader.text(values.get("hours"), "hours", "00:00-24:00"))
        if hours is None:
            reader.problems.add(values["hours"].position, f'expected hours as "HH:MM-HH:MM"; found {text!r}')
            continue
        begin, end = int(hours[1]) * 60 + int(hours[2]), int(hours[3]) * 60 + int(hours[4])
        days = reader.names(values.get("days"), "days") or _DAYS
        for day in days:
            if day not in _DAYS:
                reader.problems.unknown(values["days"].position, "day", day, _DAYS)
        found[name] = Calendar(name, zone, begin, end, frozenset(_DAYS.index(day) for day in days if day in _DAYS))
    return found


def lists(reader: Reader, node: Node | None) -> dict[str, ListFact]:
    """Lists by name, their values read from files or the application."""
    found: dict[str, ListFact] = {}
    for name, entry in reader.named(node, "list"):
        values = reader.section(entry, "list")
        type_ = STRING
        if "type" in values:
            try:
                type_ = parse_type(reader.text(values["type"], "type"))
            except ValueError as error:
                reader.problems.add(values["type"].position, str(error))
        texts = _list_values(reader, entry, values)
        stored = set()
        for text in texts:
            try:
                stored.add(_stored(text, type_))
            except (ValueError, ArithmeticError):
                reader.problems.add(entry.position, f"list {name!r}: expected values of type {type_}; found {text!r}")
        digest = hashlib.sha256("\n".join(sorted(texts)).encode()).hexdigest()
        found[name] = ListFact(name, frozenset(stored), type_, digest)
    return found


def _list_values(reader: Reader, entry: Node, values: dict[str, Node]) -> list[str]:
    if "from" in values and "file" not in values:
        values = {**values, **_from_file(reader, values["from"])}
        if "file" not in values:
            return []
    if "values" in values and "file" in values:
        reader.problems.add(values["values"].position, "expected a list's file or values; found both")
    if "key" in values and "file" not in values:
        reader.problems.add(values["key"].position, "key names a column of a CSV; expected file beside it")
    if "values" in values and values["values"].kind != "list":
        reader.problems.add(values["values"].position, f"expected values as a list; found {values['values'].shown()}")
    if "values" in values:
        return [item.text for item in values["values"].items if item.text is not None]
    if "file" not in values:
        reader.incomplete(entry, "list", "expected a list's file or values; found neither")
        return []
    path = Path(reader.path(values["file"], reader.text(values["file"], "file")))
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reader.problems.add(values["file"].position, f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}")
        return []
    if "key" in values:
        return [row[values["key"].text or ""] for row in csv.DictReader(lines) if row.get(values["key"].text or "")]
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _from_file(reader: Reader, node: Node) -> dict[str, Node]:
    """``from: {file: PATH}`` as ``file: PATH``; a list that a topic changes comes later."""
    if node.is_map and "kafka" in node.map:
        reader.problems.add(node.position, not_in_this_version("a list from a topic"))
    elif not node.is_map or [*node.map] != ["file"]:
        reader.problems.add(node.position, f"expected from as {{file: PATH}}; found {node.shown()}")
    else:
        return {"file": node.map["file"]}
    return {}


def _stored(text: str, type_: Type) -> Any:
    if type_.kind is Kind.INT:
        return int(text)
    return rescale_text(text, type_.scale) if type_.kind is Kind.DECIMAL else text
