"""YAML as nodes that know where they stand; scalars stay text until somebody knows their type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from models.application.errors import ApplicationErrors, Problems
from models.application.resolved import Position


@dataclass(slots=True)
class Node:
    """A scalar (``text``, None for null), a mapping or a list."""

    position: Position
    kind: str
    text: str | None = None
    quoted: bool = False
    map: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, Position] = field(default_factory=dict)
    items: list[Node] = field(default_factory=list)

    @property
    def is_map(self) -> bool:
        """Whether it is a mapping."""
        return self.kind == "map"

    def shown(self) -> str:
        """The node in a message."""
        return {"map": "a mapping", "list": "a list"}.get(self.kind) or (repr(self.text) if self.text is not None else "nothing")

    def get(self, name: str) -> Node | None:
        """A value of a mapping, None where it is missing or null."""
        node = self.map.get(name)
        return None if node is None or (node.kind == "scalar" and node.text is None) else node

    def plain(self) -> object:
        """The node as plain data, scalars as text."""
        if self.kind == "map":
            return {name: node.plain() for name, node in self.map.items()}
        return [node.plain() for node in self.items] if self.kind == "list" else self.text

    def __iter__(self) -> Iterator[tuple[str, Node]]:
        return iter(self.map.items())


def read(path: Path, name: str, problems: Problems) -> Node:
    """Read a YAML 1.2 file.

    Raises:
        ApplicationErrors: when it cannot be read or is no YAML mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ApplicationErrors([f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}"]) from None
    try:
        root = YAML(typ="rt", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise ApplicationErrors(
            [f"{place}: not YAML: {error.problem}; put the expression in quotes if it holds , [ ] {{ }} # or ': '"]
        ) from None
    except YAMLError as error:
        raise ApplicationErrors([f"{name}: not YAML: {error}"]) from None
    if root is None:
        raise ApplicationErrors([f"{name}:1:1: the file is empty; expected an application, as `tocsin init` writes one"])
    return _node(root, name, problems)


def _node(raw: object, file: str, problems: Problems) -> Node:
    mark = raw.start_mark  # type: ignore[attr-defined]
    position = Position(file, mark.line + 1, mark.column + 1)
    value = raw.value  # type: ignore[attr-defined]
    if type(raw).__name__ == "MappingNode":
        return _mapping(value, position, bool(raw.flow_style), file, problems)  # type: ignore[attr-defined]
    if type(raw).__name__ == "SequenceNode":
        return Node(position, "list", items=[_node(item, file, problems) for item in value])
    style = raw.style  # type: ignore[attr-defined]
    quoted = style in ("'", '"', "|", ">")
    return Node(position, "scalar", None if not quoted and value in ("", "~", "null", "Null", "NULL") else value, quoted)


def _mapping(pairs: list[tuple[object, object]], position: Position, flow: bool, file: str, problems: Problems) -> Node:
    node = Node(position, "map")
    for raw_key, raw_value in pairs:
        key = _node(raw_key, file, problems)
        value = _node(raw_value, file, problems)
        name = key.text or ""
        if name in node.map:
            problems.add(key.position, f"key {name!r} stands twice; expected it once")
        split = flow and value.kind == "scalar" and value.text is None and not value.quoted
        if split and raw_value.start_mark.index == raw_value.end_mark.index and not name.isidentifier():  # type: ignore[attr-defined]
            problems.add(key.position, f"key {name!r} has no value: an expression was split here; put the expression in quotes")
        node.map[name] = value
        node.keys[name] = key.position
    return node


def text_of(values: Mapping[str, Node], name: str, default: str) -> str:
    """A scalar's text, or a default."""
    node = values.get(name)
    return default if node is None or node.text is None else node.text
