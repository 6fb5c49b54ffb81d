"""Reading a YAML 1.2 file into nodes; expressions that YAML cut at a comma are put together again and reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from models.application.errors import ApplicationErrors, Problems
from models.application.nodes import Node
from models.application.resolved.places import Position
from models.application.scalars import Span

_QUOTES = "put the expression in quotes"
_OLDER = ("\t", "\x85", "\u2028", "\u2029", "\ufeff", "%YAML")
"""What YAML 1.1 and 1.2 read differently."""
_NULLS = ("", "~", "null", "Null", "NULL")


def read(path: Path, name: str, problems: Problems) -> Node:
    """Read a file; ``name`` is how messages call it.

    Raises:
        ApplicationErrors: when it cannot be read or is no YAML.
    """
    text = _text(path, name)
    try:
        root = _composed(text)
    except MarkedYAMLError as error:
        raise ApplicationErrors.of(*_not_yaml(error, text, name)) from None
    except YAMLError as error:
        raise ApplicationErrors.of(Position(name, 1, 1), f"not YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise ApplicationErrors.of(Position(name, 1, 1), "not an application: it is nested too deeply") from None
    if root is None:
        raise ApplicationErrors.of(Position(name, 1, 1), "the file is empty; expected an application, as `tocsin init` writes one")
    return _Builder(name, text, problems).node(root)


def _composed(text: str) -> Any:
    """The tree of nodes: libyaml's, thirty times as fast; what it refuses, or may read by older rules, is left to ruamel."""
    if not any(mark in text for mark in _OLDER):
        try:
            return yaml.compose(text, Loader=yaml.CBaseLoader)
        except yaml.YAMLError:
            pass
    return YAML(typ="safe", pure=True).compose(text)


def _text(path: Path, name: str) -> str:
    try:
        data = path.read_bytes()
    except IsADirectoryError:
        raise ApplicationErrors.of(None, f"{name}: is a directory; expected an application file such as {name}/app.yaml") from None
    except OSError as error:
        raise ApplicationErrors.of(None, f"{name}: cannot be read: {error.strerror or error}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        found = f"found byte 0x{data[error.start]:02x}"
        raise ApplicationErrors.of(Position(name, line, column), f"cannot be read: expected UTF-8; {found}") from None


def _not_yaml(error: Any, text: str, name: str) -> tuple[Position, str]:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Position(name, 1, 1), f"not YAML: {error.problem}"
    place = Position(name, mark.line + 1, mark.column + 1)
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())] or "'\\t'" in str(error.problem):
        return place, "not YAML: a tab; expected spaces, since YAML does not take tabs for indentation"
    problem = str(error.problem).strip()
    cure = f"{_QUOTES} if it holds , [ ] {{ }} # or ': ', or begins with one of * & ! % @ | > or a quote"
    return place, f"not YAML: {problem}; {cure}"


class _Builder:
    def __init__(self, file: str, text: str, problems: Problems) -> None:
        self.file = file
        self.source = text
        self.problems = problems

    def node(self, raw: Any) -> Node:
        position = self.at(raw)
        kind = type(raw).__name__
        if kind == "MappingNode":
            return self.mapping(raw, position)
        if kind == "SequenceNode":
            return self.sequence(raw, position)
        if not raw.tag.startswith("tag:yaml.org,2002:"):
            self.problems.add(position, f"expected a value; found the YAML tag {str(raw.tag)!r}; {_QUOTES}")
        span = Span(self.source, raw.start_mark.index, raw.end_mark.index)
        quoted = raw.style in ("'", '"', "|", ">")
        return Node(position, "scalar", None if not quoted and raw.value in _NULLS else raw.value, quoted, span=span)

    def at(self, raw: Any) -> Position:
        return Position(self.file, raw.start_mark.line + 1, raw.start_mark.column + 1)

    def sequence(self, raw: Any, position: Position) -> Node:
        node = Node(position, "list")
        for each in raw.value:
            item = self.node(each)
            last = node.items[-1] if node.items else None
            if raw.flow_style and last is not None and _is_cut(last):
                self.join(last, item.text or "", each.end_mark.index)
            else:
                node.items.append(item)
        self.report([*node.items] if raw.flow_style else [])
        return node

    def mapping(self, raw: Any, position: Position) -> Node:
        node = Node(position, "map")
        last: Node | None = None
        for raw_key, raw_value in raw.value:
            name = raw_key.value if isinstance(raw_key.value, str) else ""
            if type(raw_key).__name__ != "ScalarNode":
                self.problems.add(self.at(raw_key), f"expected a name as a key; found a mapping or list; {_QUOTES}")
                continue
            if raw.flow_style and _has_no_value(raw_value) and last is not None and (_is_cut(last) or not name.isidentifier()):
                self.join(last, name, raw_key.end_mark.index)
                continue
            if raw.flow_style and _has_no_value(raw_value):
                self.problems.add(self.at(raw_key), f"key {name!r} has no value; expected {name}: VALUE")
                continue
            if name in node.map:
                self.problems.add(self.at(raw_key), f"key {name!r} stands twice; expected it once")
            last = node.map[name] = self.node(raw_value)
            node.keys[name] = self.at(raw_key)
        self.report([*node.map.values()] if raw.flow_style else [])
        return node

    def join(self, cut: Node, more: str, end: int) -> None:
        """Put the next piece of an expression that YAML cut at a comma behind the first."""
        if cut.kind in ("scalar", "cut"):
            cut.text = f"{cut.text or ''}, {more}"
            cut.kind = "cut"
            cut.span = Span(self.source, cut.span.start, end) if cut.span is not None else None

    def report(self, nodes: list[Node]) -> None:
        """Say once of each expression that it was cut; everything else takes it as it was meant."""
        for node in nodes:
            if node.kind == "cut":
                node.kind = "scalar"
                self.problems.add(node.position, f'YAML split an expression here; {_QUOTES}: "{node.text}"')


def _has_no_value(raw: Any) -> bool:
    """Whether a key stands without even a colon."""
    return bool(type(raw).__name__ == "ScalarNode" and raw.start_mark.index == raw.end_mark.index and not raw.value)


def _is_cut(node: Node) -> bool:
    """Whether a plain scalar opens more brackets than it closes."""
    if node.kind not in ("scalar", "cut") or node.quoted or node.text is None:
        return False
    return any(node.text.count(opening) > node.text.count(closing) for opening, closing in ("()", "[]", "{}"))
