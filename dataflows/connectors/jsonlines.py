"""A sink of JSON lines in one file; a bounded run's lines are put in order once it has ended."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from dataflows.connectors.files import FileProblem

PENDING = ".unsorted"


class WriteFailed(Exception):
    """A file that cannot be written: why, and what to do."""

    code = 3

    def __init__(self, path: Path, error: OSError) -> None:
        cure = "Free room on its disk" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else "Name another file"
        why = f"{path}: cannot be written: {error.strerror or error}"
        super().__init__(f"{why}. {cure}; a run with --state goes on from its last epoch")


class JsonLines(FixedPartitionedSink[bytes, int | None]):
    """Writes lines beside ``path`` while the flow runs; ``finish`` sorts them into it. No path: lines are only counted.

    Not ``ordered``: they go straight into it, as they come. ``kept``: an epoch is done only when its lines are on the disk; a run
    that goes on cuts off those that came after the last epoch.
    """

    def __init__(self, path: Path | None, *, ordered: bool = True, kept: bool = False) -> None:
        self.path = path
        self.kept = kept
        self.ordered = ordered
        self.failed: WriteFailed | None = None
        self.pending = None if path is None else path.with_name(path.name + PENDING) if ordered else path
        if self.pending is not None:
            self.pending.parent.mkdir(parents=True, exist_ok=True)

    def list_parts(self) -> list[str]:
        """One partition: one writer, whatever the number of workers."""
        return ["0"]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> StatefulSinkPartition[bytes, int | None]:
        """The writer."""
        return _Writer(self, resume_state)

    def finish(self) -> int:
        """Sort what was written by (sequence, id), as bounded runs do; how many lines there are. What is ``kept`` stays beside."""
        if self.path is None or self.pending is None or not self.ordered:
            return 0
        with self.writing(self.path):
            return self._sorted(self.path, self.pending)

    @contextmanager
    def writing(self, path: Path) -> Iterator[None]:
        """Meanwhile an error of the file's system says what to do; ``failed`` keeps it, since the runtime may lose it.

        Raises:
            WriteFailed: instead.
        """
        try:
            yield
        except OSError as error:
            self.failed = WriteFailed(path, error)
            raise self.failed from None

    def _sorted(self, path: Path, pending: Path) -> int:
        if not pending.exists():
            path.write_bytes(b"")
            return 0
        lines = pending.read_bytes().splitlines()
        lines.sort(key=order_of)
        whole = path.with_name(path.name + ".part")
        whole.write_bytes(b"".join(line + b"\n" for line in lines))
        whole.replace(path)
        if not self.kept:
            pending.unlink()
        return len(lines)

    def forget(self) -> None:
        """Drop what was kept for a run that goes on: it has ended."""
        if self.kept and self.ordered and self.pending is not None:
            self.pending.unlink(missing_ok=True)


def order_of(line: bytes) -> tuple[str, str]:
    """The place of a CloudEvent among the lines of a file: its sequence, then its id."""
    place = _PLACE.decode(line)
    return place.sequence, place.id


class _Place(msgspec.Struct):
    """What of a CloudEvent its place needs: all else is passed over unread."""

    sequence: str = ""
    id: str = ""


_PLACE = msgspec.json.Decoder(_Place)


class _Writer(StatefulSinkPartition[bytes, int | None]):
    def __init__(self, sink: JsonLines, written: int | None) -> None:
        self.sink = sink
        self.file: IO[bytes] | None = None
        path = sink.pending
        self.path = path or Path()
        self.kept = sink.kept and (path is None or not path.exists() or path.is_file())
        if path is not None:
            with sink.writing(path):
                self.file = path.open("wb") if written is None or not self.kept else _cut(path, written)

    def write_batch(self, values: list[bytes]) -> None:
        if self.file is not None:
            with self.sink.writing(self.path):
                self.file.write(b"".join(line + b"\n" for line in values))

    def snapshot(self) -> int | None:
        """How many bytes are written, once they are on the disk where they are kept; else on their way there."""
        if self.file is None:
            return None
        with self.sink.writing(self.path):
            self.file.flush()
            if not self.kept:
                return None
            os.fsync(self.file.fileno())
            return self.file.tell()

    def close(self) -> None:
        if self.file is not None:
            with self.sink.writing(self.path):
                self.file.close()


def _cut(path: Path, written: int) -> IO[bytes]:
    """A file of which so many bytes count.

    Raises:
        FileProblem: when there are fewer.
    """
    size = path.stat().st_size if path.exists() else 0
    if size < written:
        raise FileProblem(
            f"{path}: the saved state has written {written} bytes, and {size} are there. What a run wrote must not be removed "
            "before it has ended: put it back, or start with another --state"
        )
    file = path.open("r+b")
    file.truncate(written)
    file.seek(written)
    return file
