"""Connections: brokers by name, with values from the environment and from files of secrets."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from models.application.nodes import Node
from models.application.reader import Reader

REGISTRY = "schema_registry"
"""The key of a connection that says where the schemas of its topics are."""
_SECRET = re.compile(r"password|secret|token|key\.pem|oauthbearer\.config|jaas|user\.info")
_OF_ENDPOINTS, _OF_MODELS = re.compile("^secret$"), re.compile("^key$")
_LOGIN = re.compile(r"//[^/@]+@")
_VARIABLE = re.compile(r"\$\{(?:file:([^}]+)|([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?)\}")


def connections(reader: Reader, node: Node | None) -> dict[str, Node]:
    """Connections by name; their texts with ``${NAME}``, ``${NAME:-default}`` and ``${file:PATH}`` filled in."""
    found: dict[str, Node] = {}
    for name, entry in reader.named(node, "connection"):
        if not _is_connection(entry):
            reader.problems.add(
                entry.position, f"expected a connection as {{kafka: {{bootstrap.servers: …}}}}; found {_shown(entry)}"
            )
        elif REGISTRY in entry.map and (not entry.map[REGISTRY].is_map or "url" not in entry.map[REGISTRY].map):
            given = entry.map[REGISTRY]
            reader.problems.add(given.position, f"expected {REGISTRY} as {{url: …}}; found {_shown(given)}")
        else:
            _substitute(reader, entry)
        found[name] = entry
    return found


def has_registry(reader: Reader, connection: str) -> bool:
    """Whether a connection names its schema registry."""
    entry = reader.connections.get(connection)
    return entry is not None and entry.is_map and REGISTRY in entry.map


def topic_of(reader: Reader, node: Node) -> tuple[str, str]:
    """Connection and topic of ``CONNECTION/TOPIC``; the only connection may be left out."""
    text = reader.text(node, "kafka")
    name, slash, topic = text.rpartition("/")
    known = reader.connections
    if not slash and len(known) == 1:
        name = next(iter(known))
    elif not slash:
        reader.problems.add(
            node.position, f"expected CONNECTION/TOPIC with one of {', '.join(known) or 'no connections'}; found {text!r}"
        )
    elif name not in known:
        reader.problems.unknown(node.position, "connection", name, known)
    if not topic:
        reader.problems.add(node.position, f"expected a topic's name; found {text!r}")
    return name, topic


def without_secrets(application: Any) -> Any:
    """An application as plain data with passwords and keys of its connections, endpoints and models left out."""
    masked = {"connections": _SECRET, "endpoints": _OF_ENDPOINTS, "respond": _OF_MODELS}
    return {name: _masked(value, masked[name]) if name in masked else value for name, value in application.items()}


def _masked(value: Any, secret: re.Pattern[str], name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _masked(each, secret, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_masked(each, secret, name) for each in value]
    if isinstance(value, str) and secret.search(name) and not value.startswith("${"):
        return "***"
    return _LOGIN.sub("//***@", value) if isinstance(value, str) else value


def _is_connection(entry: Node) -> bool:
    return entry.is_map and {"kafka"} <= entry.map.keys() <= {"kafka", REGISTRY} and entry.map["kafka"].is_map


def _shown(entry: Node) -> str:
    return f"{{{', '.join(entry.map)}}}" if entry.is_map else entry.shown()


def is_secret(setting: str) -> bool:
    """Whether a connection's setting holds what must not be shown."""
    return _SECRET.search(setting) is not None


def filled(text: str) -> tuple[str, list[str]]:
    """A text with ``${NAME}``, ``${NAME:-default}`` and ``${file:PATH}`` filled in, and what stands against it."""
    problems: list[str] = []

    def value(found: re.Match[str]) -> str:
        if found[1] is not None:
            return _secret(problems, found[1])
        given = os.environ.get(found[2], found[3])
        if given is None:
            problems.append(f"expected the environment variable {found[2]}; it is not set")
        return given or ""

    text = _VARIABLE.sub(value, text)
    if "${" in text:
        problems.append("expected ${NAME}, ${NAME:-default} or ${file:PATH}; found another use of ${")
    return text, problems


def _substitute(reader: Reader, node: Node) -> None:
    for child in [*node.map.values(), *node.items]:
        _substitute(reader, child)
    if node.text is not None and "${" in node.text:
        node.text, problems = filled(node.text)
        for problem in problems:
            reader.problems.add(node.position, problem)


def _secret(problems: list[str], path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}")
        return ""
