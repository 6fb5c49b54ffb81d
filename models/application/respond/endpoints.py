"""Teams and endpoints."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Literal, cast

from models.application.nodes import Node
from models.application.reader import Reader
from models.application.respond.resolved import Endpoint, EndpointFormat, Team
from models.application.respond.texts import env_text, env_texts

_SECOND, _MINUTE, _HOUR = 1_000_000, 60_000_000, 3_600_000_000
SCHEDULE = (
    0, 5 * _SECOND, 5 * _MINUTE, 30 * _MINUTE, 2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 14 * _HOUR, 20 * _HOUR, 24 * _HOUR,
)  # fmt: skip
"""Waits before each attempt, as Standard Webhooks recommends them."""
FORMATS = ("cloudevents", "slack", "pagerduty", "alertmanager")
ROLES = ("viewer", "analyst", "admin")
_URL = re.compile(r"(https?|smtps?)://[^\s/]+.*")


def endpoints(reader: Reader, node: Node | None) -> dict[str, Endpoint]:
    """Endpoints by name."""
    return {name: _endpoint(reader, name, entry) for name, entry in reader.named(node, "endpoint")}


def teams(reader: Reader, node: Node | None, known: dict[str, Endpoint]) -> dict[str, Team]:
    """Teams by name."""
    found: dict[str, Team] = {}
    for name, entry in reader.named(node, "team"):
        values = reader.section(entry, "team")
        role = reader.choice(values.get("role"), "role", ROLES, "analyst")
        notify = reader.names(values.get("notify"), "notify")
        for each in notify:
            if each not in known:
                reader.problems.unknown(values["notify"].position, "endpoint", each, sorted(known))
        found[name] = Team(name, cast(Literal["viewer", "analyst", "admin"], role), notify, entry.position)
    return found


def _endpoint(reader: Reader, name: str, entry: Node) -> Endpoint:
    values = reader.section(entry, "endpoint")
    url = env_text(reader, values.get("url"), "url")
    if url is None:
        reader.incomplete(entry, "endpoint", f"expected url of endpoint {name!r}; found none")
        url = env_text(reader, Node(entry.position, "scalar", ""), "url")
        assert url is not None
    elif not url.is_open and not _URL.fullmatch(url.written):
        reader.problems.add(values["url"].position, f"expected url as http(s)://… or smtp(s)://…; found {url.written!r}")
    format_, template = _format(reader, values.get("format"))
    mail = url.written.startswith("smtp")
    sender, recipients = env_text(reader, values.get("from"), "from"), env_texts(reader, values.get("to"), "to")
    if mail and (sender is None or not recipients):
        reader.problems.add(entry.position, f"mail endpoint {name!r}: expected from and to beside its url; found one missing")
    return Endpoint(
        name, url, format_, env_texts(reader, values.get("secret"), "secret"), _schedule(reader, values.get("schedule")),
        reader.duration(values.get("timeout"), "timeout", 15 * _SECOND, least=1) or 15 * _SECOND,
        _private(reader, values.get("private")), template, sender, recipients, entry.position,
    )  # fmt: skip


def _format(reader: Reader, node: Node | None) -> tuple[EndpointFormat, str | None]:
    if node is None or not node.is_map:
        return cast(EndpointFormat, reader.choice(node, "format", FORMATS, "cloudevents")), None
    reader.keys(node, "format", ("template",))
    given = node.get("template")
    if given is None:
        reader.problems.add(node.position, "expected format as a word or {template: FILE}; found none")
        return "template", None
    path = Path(reader.path(given, reader.text(given, "template")))
    try:
        return "template", path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reader.problems.add(given.position, f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}")
        return "template", None


def _schedule(reader: Reader, node: Node | None) -> tuple[int, ...]:
    if node is None:
        return SCHEDULE
    if node.kind != "list" or not node.items:
        reader.problems.add(node.position, f"expected schedule as a list of durations; found {node.shown()}")
        return SCHEDULE
    return tuple(reader.duration(item, "schedule", 0) or 0 for item in node.items)


def _private(reader: Reader, node: Node | None) -> tuple[str, ...]:
    found = reader.names(node, "private")
    for text in found:
        try:
            ipaddress.ip_network(text)
        except ValueError:
            assert node is not None
            reader.problems.add(node.position, f"expected private as addresses or networks such as 10.0.0.0/8; found {text!r}")
    return found
