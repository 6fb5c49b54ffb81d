"""What a stopped run saved: read in a process of its own, since the runtime's files must have one reader.

``python -m dataflows.state.saved DIRECTORY [stages]`` prints it as JSON.
"""

from __future__ import annotations

import base64
import io
import json
import pickle
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_READ = ".read"
_STAGE = re.compile(r"\.stage_(\d+)$")


@dataclass(frozen=True, slots=True)
class Saved:
    """``epoch``: with which the next run begins; ``at``: when the one before was saved (UTC, None: none was).

    parts: the snapshot of each partition of the source by its name; stages: keys and bytes of each stage's state by its number.
    """

    epoch: int
    at: str | None
    parts: dict[str, bytes]
    stages: dict[int, tuple[int, int]]


def saved_parts(recovery: Path) -> dict[str, bytes]:
    """The snapshot of each partition of the source, by its name.

    Raises:
        ValueError: when the files cannot be read.
    """
    return _asked(recovery).parts


def saved_whole(recovery: Path) -> Saved:
    """All that is known of a saved state, shards looked into.

    Raises:
        ValueError: when the files cannot be read.
    """
    return _asked(recovery, "stages")


def _asked(recovery: Path, *more: str) -> Saved:
    command = [sys.executable, "-m", "dataflows.state.saved", str(recovery), *more]
    told = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent.parent.parent, check=False)
    if told.returncode:
        raise ValueError(told.stderr.strip().rpartition("\n")[2] or f"exit code {told.returncode}")
    found = json.loads(told.stdout)
    parts = {name: base64.b64decode(text) for name, text in found["parts"].items()}
    return Saved(found["epoch"], found["at"], parts, {int(stage): (keys, size) for stage, (keys, size) in found["stages"].items()})


def _read(recovery: Path, *, stages: bool) -> dict[str, Any]:
    parts: dict[str, tuple[int, bytes]] = {}
    shards: dict[tuple[str, str], tuple[int, bytes]] = {}
    until, at = 0, None
    for path in sorted(recovery.glob("part-*.sqlite3")):
        database = sqlite3.connect(path)
        until = _resume_epoch(database)
        for step, key, epoch, change in _snaps(database, until):
            if step.endswith(_READ) and epoch >= parts.get(key, (0, b""))[0]:
                parts[key] = (epoch, change)
            elif stages and _STAGE.search(step) and epoch >= shards.get((step, key), (0, b""))[0]:
                shards[step, key] = (epoch, change)
        newest = database.execute("SELECT max(created_at) FROM snaps WHERE snap_epoch < ?", (until,)).fetchone()[0]
        at = max(filter(None, (at, newest)), default=None)
        database.close()
    plain = {key: base64.b64encode(_loaded(change)).decode() for key, (_, change) in parts.items()}
    return {"epoch": until, "at": at and f"{at.replace(' ', 'T')}Z", "parts": plain, "stages": _stages(shards)}


def _snaps(database: sqlite3.Connection, until: int) -> Iterator[tuple[str, str, int, bytes]]:
    rows = database.execute("SELECT step_id, state_key, snap_epoch, ser_change FROM snaps WHERE snap_epoch < ?", (until,))
    return (row for row in rows if row[3] is not None)


def _stages(shards: dict[tuple[str, str], tuple[int, bytes]]) -> dict[int, tuple[int, int]]:
    """Keys and bytes by stage."""
    from dataflows.runtime.stage import keys_in

    found: dict[int, tuple[int, int]] = {}
    for (step, _), (_, change) in shards.items():
        match = _STAGE.search(step)
        assert match is not None
        stage, data = int(match[1]), _loaded(change)
        keys, size = found.get(stage, (0, 0))
        found[stage] = (keys + keys_in(data), size + len(data))
    return found


def _loaded(change: bytes) -> bytes:
    data: bytes = _Bytes(io.BytesIO(change)).load()
    return data


def _resume_epoch(database: sqlite3.Connection) -> int:
    """The epoch that the next run begins with: the smallest that a worker of the last run had not done."""
    last = database.execute("SELECT ex_num, worker_count, resume_epoch FROM exs ORDER BY ex_num DESC LIMIT 1").fetchone()
    if last is None:
        return 0
    count, least = database.execute("SELECT count(*), min(worker_frontier) FROM fronts WHERE ex_num = ?", last[:1]).fetchone()
    return int(last[2] if count < last[1] else least)


class _Bytes(pickle.Unpickler):
    """Takes bytes and nothing else: what was saved is never code."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"expected bytes; found {module}.{name}")


if __name__ == "__main__":
    json.dump(_read(Path(sys.argv[1]), stages="stages" in sys.argv), sys.stdout)
