"""What a stopped run saved of its partitions: read in a process of its own, since the runtime's files must have one reader.

``python -m dataflows.state.saved DIRECTORY`` prints it as JSON.
"""

from __future__ import annotations

import base64
import io
import json
import pickle
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

_STEP = ".read"


def saved_parts(recovery: Path) -> dict[str, bytes]:
    """The snapshot of each partition of the source, by its name.

    Raises:
        ValueError: when the files cannot be read.
    """
    command = [sys.executable, "-m", "dataflows.state.saved", str(recovery)]
    told = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent.parent.parent, check=False)
    if told.returncode:
        raise ValueError(told.stderr.strip().rpartition("\n")[2] or f"exit code {told.returncode}")
    return {name: base64.b64decode(text) for name, text in json.loads(told.stdout).items()}


def _read(recovery: Path) -> dict[str, str]:
    found: dict[str, tuple[int, bytes]] = {}
    for path in sorted(recovery.glob("part-*.sqlite3")):
        database = sqlite3.connect(path)
        until = _resume_epoch(database)
        rows = database.execute("SELECT step_id, state_key, snap_epoch, ser_change FROM snaps WHERE snap_epoch < ?", (until,))
        for step, key, epoch, change in rows:
            if step.endswith(_STEP) and change is not None and epoch >= found.get(key, (0, b""))[0]:
                found[key] = (epoch, change)
        database.close()
    return {key: base64.b64encode(_Bytes(io.BytesIO(change)).load()).decode() for key, (_, change) in found.items()}


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
    json.dump(_read(Path(sys.argv[1])), sys.stdout)
