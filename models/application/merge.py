"""One application from its main file, the files it includes, and those laid over it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from models.application.errors import Problems
from models.application.keys import SECTIONS
from models.application.nodes import Node
from models.application.yamlfile import read

_HEAD = ("tocsin", "name", "version", "include")
_OVERLAY = ("connections", "flags", "params")


def whole(path: Path, overlays: Sequence[Path], problems: Problems) -> Node:
    """The main file with its includes and overlays merged in.

    Raises:
        ApplicationErrors: when one of the files cannot be read, or the main file is no mapping.
    """
    root = read(path, str(path), problems)
    if not root.is_map:
        problems.add(root.position, f"expected an application; found {root.shown()}")
        problems.raise_if_any()
    parts = tuple(section for section in SECTIONS["application"] if section not in _HEAD)
    for part in _included(path, root.map.get("include"), problems):
        _merge(root, read(part, str(part), problems), parts, problems)
    for overlay in overlays:
        _lay_over(root, read(overlay, str(overlay), problems), problems)
    return root


def _included(path: Path, include: Node | None, problems: Problems) -> list[Path]:
    """Files in listed order, those of a glob by name."""
    if include is None:
        return []
    if include.kind != "list":
        problems.add(include.position, f"expected include as a list such as [patterns/*.yaml]; found {include.shown()}")
        return []
    found: list[Path] = []
    for item in include.items:
        text = item.text or ""
        files = sorted(path.parent.glob(text)) if text and not text.startswith("/") else [Path(text)] if text else []
        if not files:
            problems.add(item.position, f"include {item.shown()}: no such file; paths are relative to {path.name}")
        found.extend(file for file in files if file not in found)
    return found


def _merge(root: Node, part: Node, allowed: tuple[str, ...], problems: Problems) -> None:
    if not part.is_map:
        problems.add(part.position, f"expected sections of an application; found {part.shown()}")
        return
    for section, value in part:
        if section not in allowed:
            problems.unknown(part.keys[section], "section of an included file", section, allowed)
        elif section not in root.map:
            root.map[section], root.keys[section] = value, part.keys[section]
        elif value.kind == "list" and root.map[section].kind == "list":
            root.map[section].items.extend(value.items)
        elif value.is_map and root.map[section].is_map:
            _merge_names(root.map[section], value, problems)
        else:
            problems.add(value.position, f"expected {section} as in {root.keys[section]}; found {value.shown()}")


def _merge_names(target: Node, more: Node, problems: Problems) -> None:
    for name, entry in more:
        if name in target.map:
            problems.add(more.keys[name], f"{name!r} is defined twice: also at {target.keys[name]}; rename one")
        else:
            target.map[name], target.keys[name] = entry, more.keys[name]


def _lay_over(root: Node, overlay: Node, problems: Problems) -> None:
    """An overlay's entries take the place of those of the same name."""
    if not overlay.is_map:
        problems.add(overlay.position, f"expected connections, flags or params; found {overlay.shown()}")
        return
    for section, value in overlay:
        if section not in _OVERLAY:
            problems.unknown(overlay.keys[section], "section of an overlay (it may not touch others)", section, _OVERLAY)
        elif section not in root.map or not (value.is_map and root.map[section].is_map):
            root.map[section], root.keys[section] = value, overlay.keys[section]
        else:
            root.map[section].map.update(value.map)
            root.map[section].keys.update(value.keys)
