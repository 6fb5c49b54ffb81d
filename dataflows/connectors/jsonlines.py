"""A sink of JSON lines in one file; a bounded run's lines are put in order once it has ended."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import orjson
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

PENDING = ".unsorted"


class JsonLines(FixedPartitionedSink[bytes, None]):
    """Writes lines beside ``path`` while the flow runs; ``finish`` sorts them into it. No path: lines are only counted.

    Not ``ordered``: they go straight into it, as they come.
    """

    def __init__(self, path: Path | None, *, ordered: bool = True) -> None:
        self.path = path
        self.ordered = ordered
        self.pending = None if path is None else path.with_name(path.name + PENDING) if ordered else path
        if self.pending is not None:
            self.pending.parent.mkdir(parents=True, exist_ok=True)

    def list_parts(self) -> list[str]:
        """One partition: one writer, whatever the number of workers."""
        return ["0"]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> StatefulSinkPartition[bytes, None]:
        """The writer."""
        return _Writer(self.pending)

    def finish(self) -> int:
        """Sort what was written by (sequence, id), as bounded runs do; how many lines there are."""
        if self.path is None or self.pending is None or not self.ordered:
            return 0
        if not self.pending.exists():
            self.path.write_bytes(b"")
            return 0
        lines = self.pending.read_bytes().splitlines()
        lines.sort(key=order_of)
        self.path.write_bytes(b"".join(line + b"\n" for line in lines))
        self.pending.unlink()
        return len(lines)


def order_of(line: bytes) -> tuple[str, str]:
    """The place of a CloudEvent among the lines of a file: its sequence, then its id."""
    event = orjson.loads(line)
    return event.get("sequence", ""), event.get("id", "")


class _Writer(StatefulSinkPartition[bytes, None]):
    def __init__(self, path: Path | None) -> None:
        self.file: IO[bytes] | None = None if path is None else path.open("wb")

    def write_batch(self, values: list[bytes]) -> None:
        if self.file is not None:
            self.file.write(b"".join(line + b"\n" for line in values))

    def snapshot(self) -> None:
        """What was written is on its way to the disk before an epoch counts as done."""
        if self.file is not None:
            self.file.flush()

    def close(self) -> None:
        if self.file is not None:
            self.file.close()
