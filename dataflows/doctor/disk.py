"""The folders that a run writes into: that it can, that there is room, and that a saved state is this application's."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from dataflows.doctor.findings import Finding, fault, ok, problem, warning
from dataflows.state.directory import StateProblem, fitting, has_state, in_use, manifest_of
from models.application.resolved.application import Application, Outputs

_LEAST, _GOOD = 64 << 20, 1 << 30
"""Bytes without which a run would soon fail, and with which it has room."""
_GROWTH = 3
"""A state's files may take so many times what they take now until old epochs are collected."""
Free = Callable[[Path], int]


def free_bytes(path: Path) -> int:
    """Bytes that may still be written into a folder."""
    return shutil.disk_usage(path).free


def disks(application: Application, state: Path | None, shards: int, free: Free = free_bytes) -> Iterator[Finding]:
    """The state directory and the folders of output files."""
    if state is None:
        live = bool(application.connections)
        cure = "name a directory with --state or TOCSIN_STATE"
        if live:
            yield warning("state", "no --state directory: a run that was killed begins again at the first offsets", cure)
    else:
        yield from _state(application, state, shards, free)
    for folder in dict.fromkeys(Path(path).absolute().parent for path in _files(application.outputs)):
        yield _folder(f"output {folder}", folder, _LEAST, free)


def _files(outputs: Outputs) -> list[str]:
    return [each for each in (outputs.to, outputs.late, outputs.dead_letters) if isinstance(each, str)]


def _state(application: Application, path: Path, shards: int, free: Free) -> Iterator[Finding]:
    about = f"state {path}"
    if has_state(path):
        try:
            fitting(manifest_of(path), path, application, shards)
        except StateProblem as error:
            yield problem(about, str(error).removeprefix(f"{path}: "))
            return
        yield ok(about, "fits the application")
    if in_use(path):
        yield warning(about, "a run is using it now", "one run at a time can: stop that one before another begins")
    size = sum(each.stat().st_size for each in path.rglob("*") if each.is_file()) if path.exists() else 0
    yield _folder(about, path, max(_LEAST, _GROWTH * size), free)


def _folder(about: str, path: Path, least: int, free: Free) -> Finding:
    """Whether a folder, or the nearest that there is, can be written, and has room."""
    there = path
    while not there.exists():
        there = there.parent
    if not there.is_dir():
        return fault(about, f"expected a directory; {there} is a file", "name another place")
    if not os.access(there, os.W_OK | os.X_OK):
        return fault(about, f"{there} cannot be written", "give the user that runs it the right to, or name another place")
    found = free(there)
    if found < least:
        text = f"{_size(found)} are free; expected at least {_size(least)}"
        return fault(about, text, "free some, or name a place on a larger disk")
    if found < _GOOD:
        return warning(about, f"{_size(found)} are free", "watch it: a run ends when it cannot save its state or write its flags")
    return ok(about, f"can be written, {_size(found)} are free")


def _size(number: int) -> str:
    return f"{number / (1 << 30):,.1f} GB" if number >= 1 << 30 else f"{number >> 20:,} MB"
