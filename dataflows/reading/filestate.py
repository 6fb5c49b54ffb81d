"""What the snapshot of a file's partition holds: how far it is read, in which file, and what its judge knows."""

from __future__ import annotations

from typing import Any

from dataflows.batches.batch import AFTER_ALL, BEFORE_ALL
from dataflows.connectors.files import Mark
from models.application.resolved.application import Application
from models.values.packed import of_version, versioned

VERSION = 1


def file_state(source: str, mark: Mark, done: bool, judge: dict[str, Any]) -> bytes:
    """The snapshot of a partition."""
    place = {"rows": mark.rows, "file": mark.file, "row": mark.row, "done": done}
    return versioned(VERSION, "a file", {"source": source, **place, "judge": judge})


def from_file_state(data: bytes) -> tuple[Mark, dict[str, Any]]:
    """Where to go on, and the judge's state.

    Raises:
        UnknownState: when another version wrote it.
    """
    state = of_version(VERSION, "a file", data)
    return Mark(state["rows"], state["file"], state["row"]), state["judge"]


def file_bound(data: bytes, application: Application) -> tuple[str, int]:
    """The source of a partition, and its bound (microseconds)."""
    state = of_version(VERSION, "a file", data)
    name, judge = state["source"], state["judge"]
    source = application.streams.get(name) or application.tables[name]
    if state["done"]:
        return name, AFTER_ALL
    return name, max(judge["announced"], BEFORE_ALL if judge["newest"] == BEFORE_ALL else judge["newest"] - source.lateness)


def file_rows(data: bytes) -> int:
    """How many rows of a partition were read."""
    rows: int = of_version(VERSION, "a file", data)["rows"]
    return rows


def file_place(data: bytes) -> tuple[str, str]:
    """The source of a partition, and the file that was read last."""
    state = of_version(VERSION, "a file", data)
    return state["source"], state["file"]
