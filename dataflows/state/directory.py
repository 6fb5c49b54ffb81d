"""A run's state directory: whose state it is, that nobody else uses it, and whether anything is left to do."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataflows.runtime.panics import without_panics
from models.application.resolved.application import Application

VERSION = 1
_MANIFEST, _LOCK, _RECOVERY = "state.json", "lock", "recovery"
_PATIENCE = 5.0
"""Seconds that the workers of a run which was killed may take to end."""


class StateProblem(Exception):
    """A state directory that this run cannot use: why, and what to do; ``code``: its exit code."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class StateDirectory:
    """An open state directory. ``resumed``: a run saved state here before; ``ended``: it read all of its input.

    begin: the time of the records that its first run began at (microseconds), None for one that began at the first offsets.
    """

    path: Path
    lock: int
    resumed: bool
    ended: bool
    begin: int | None

    @property
    def recovery(self) -> Path:
        """Where the runtime keeps what it saves: touched by nobody else while a run is alive."""
        return recovery_of(self.path)

    def end(self) -> None:
        """Note that all input was read: nothing is left to do."""
        manifest = json.loads((self.path / _MANIFEST).read_text())
        _write(self.path, {**manifest, "ended": True})


def recovery_of(path: Path) -> Path:
    """The runtime's part of a state directory."""
    return path / _RECOVERY


@contextmanager
def opened(path: Path, application: Application, shards: int, begin: int | None = None) -> Iterator[StateDirectory]:
    """The state directory of an application, made where there is none; nobody else can open it meanwhile.

    Raises:
        StateProblem: when another application, another number of shards or a run that is alive has it.
    """
    path.mkdir(parents=True, exist_ok=True)
    lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take(lock, path)
        yield _checked(path, application, shards, lock, begin)
    finally:
        os.close(lock)


def broken_state(error: BaseException, path: Path | None, *, alone: bool) -> StateProblem | None:
    """What the runtime's error says of its own files, None for any other; ``alone``: no other worker may have caused a panic."""
    text = str(error)
    if path is not None and isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _full(path)
    if path is None or not ("SqliteFailure" in text or (alone and type(error).__name__ == "PanicException")):
        return None
    if "DiskFull" in text or "disk is full" in text:
        return _full(path)
    return StateProblem(f"{path}: state cannot be saved or read: {text}. Is the disk full, a file damaged?", 3)


def _full(path: Path) -> StateProblem:
    return StateProblem(f"{path}: state cannot be saved: the disk is full. Free room on it; the same command then goes on", 3)


def shape_of(application: Application) -> str:
    """A hash of all that shapes an application's state: where it runs and writes, and its tests, do not count."""
    plain = json.loads(application.text)
    for name in ("connections", "flags", "tests"):
        plain.pop(name, None)
    for pattern in (plain.get("patterns") or {}).values():
        pattern.pop("tests", None)
    facts = [plain, {name: str(value) for name, value in application.params.items()},
             {name: fact.sha256 for name, fact in application.lists.items()}]  # fmt: skip
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _take(lock: int, path: Path) -> None:
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError:
            if time.monotonic() > until:
                raise StateProblem(
                    f"{path}: another run uses this state. Stop it first, or start with another --state"
                ) from None
            time.sleep(0.05)


def _checked(path: Path, application: Application, shards: int, lock: int, begin: int | None) -> StateDirectory:
    if not (path / _MANIFEST).exists():
        wanted = {"version": VERSION, "application": application.name, "hash": shape_of(application), "shards": shards}
        _make(path, {**wanted, "ended": False, "begin": begin})
        return StateDirectory(path, lock, False, False, begin)
    found = manifest_of(path)
    fitting(found, path, application, shards)
    return StateDirectory(path, lock, True, bool(found["ended"]), found["begin"])


def manifest_of(path: Path) -> dict[str, Any]:
    """Whose state a directory holds: version, application, hash, shards, ended, begin.

    Raises:
        StateProblem: when it cannot be read, or another version wrote it.
    """
    try:
        found: dict[str, Any] = json.loads((path / _MANIFEST).read_text())
        version = [found[name] for name in ("version", "application", "hash", "shards", "ended", "begin")][0]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise StateProblem(f"{path / _MANIFEST}: cannot be read: {error}. Start with another --state") from None
    if version != VERSION:
        raise StateProblem(
            f"{path}: this state has version {version}; this version of Tocsin reads {VERSION}. Start with another --state"
        )
    return found


def has_state(path: Path) -> bool:
    """Whether a run has saved state in a directory."""
    return (path / _MANIFEST).exists()


def in_use(path: Path) -> bool:
    """Whether a run that is alive has the directory."""
    try:
        lock = os.open(path / _LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def fitting(found: Mapping[str, Any], path: Path, application: Application, shards: int) -> None:
    """Refuse the state of another application or number of shards; ``found``: its manifest.

    Raises:
        StateProblem: which says whose it is.
    """
    name, wanted, hash_, count = found["application"], shape_of(application), found["hash"], found["shards"]
    if (name, hash_) != (application.name, wanted):
        other = f"application {name!r}" if name != application.name else f"application {name!r} as it was before it was changed"
        raise StateProblem(
            f"{path}: this state was made by {other} (hash {hash_[:12]}; now {wanted[:12]}). Run that application, or "
            "start with another --state"
        )
    if count != shards:
        raise StateProblem(
            f"{path}: expected --shards {count}, which is fixed for the life of a state; found {shards}. Run with --shards "
            f"{count}, or start with another --state"
        )


def _make(path: Path, manifest: dict[str, object]) -> None:
    """A fresh state; one whose making was cut short is made anew."""
    from bytewax.recovery import init_db_dir

    strange = sorted(each.name for each in path.iterdir() if each.name not in (_LOCK, _RECOVERY, f"{_MANIFEST}.part"))
    if strange:
        raise StateProblem(
            f"{path}: expected an empty directory or a saved state; found {', '.join(strange[:3])}. Name another --state"
        )
    shutil.rmtree(recovery_of(path), ignore_errors=True)
    recovery_of(path).mkdir()
    try:
        with without_panics():
            init_db_dir(recovery_of(path), 1)  # type: ignore[no-untyped-call]
        _write(path, manifest)
    except BaseException as error:
        raise broken_state(error, path, alone=True) or error from None


def _write(path: Path, manifest: dict[str, object]) -> None:
    part = path / f"{_MANIFEST}.part"
    with part.open("w") as file:
        file.write(json.dumps(manifest))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path / _MANIFEST)
