"""Files as partitions: blocks of whole rows, in natural order of names."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from dataflows.decoding.decoded import PADDING, RawRows
from dataflows.decoding.json import lines_in
from dataflows.decoding.recycled import POOL
from models.application.resolved.sources import FileInput

BLOCK = 16 << 20
"""Bytes read at once; small enough for the cache of a few cores, large enough that a shard's share is worth a call."""


LONGEST = 16 << 20
"""Bytes of the longest row that is read."""
KEPT = 64 << 10
"""Bytes that are kept of a row that is longer."""
_BOM = b"\xef\xbb\xbf"


class FileProblem(Exception):
    """A file that cannot be read: which, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Block:
    """Whole rows of one file: its base name, the number of its first row in it, and how many bytes were read for it.

    cut: rows of which only the first ``KEPT`` bytes are there, since they are longer than ``LONGEST``, with their length.
    """

    rows: RawRows
    file: str
    first_row: int
    bytes_read: int
    cut: Mapping[int, int] = field(default_factory=dict)


def partitions_of(source: FileInput) -> list[list[Path]]:
    """The files of each partition: all as one, or each its own."""
    paths = [path for pattern in source.globs for path in matching(pattern)]
    return [[path] for path in paths] if source.as_partitions else [paths]


def matching(pattern: str) -> list[Path]:
    """Files of a glob in natural order (2 before 10).

    Raises:
        FileProblem: when there is none.
    """
    names = glob(pattern, recursive=True)  # noqa: PTH207 - the pattern may be absolute
    found = sorted((Path(name) for name in names), key=_natural)
    if not found:
        raise FileProblem(f"{pattern}: no such file; expected a file or a glob that matches one. Is the path relative to the "
                          "application file?")  # fmt: skip
    return found


def line_blocks(paths: Sequence[Path]) -> Iterator[Block]:
    """Blocks of lines; offsets go on from file to file, row numbers begin anew in each."""
    offset = 0
    for path in paths:
        row = 0
        for data, begin, end, size, length in _cut(path):
            rows = lines_in(data, begin, end, offset)
            cut = {0: length} if length else _cut_rows(rows)
            yield Block(rows, path.name, row, size, cut)
            row += len(rows)
            offset += len(rows)


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a partition: ``rows`` of it were read, the last of them as row ``row`` - 1 of ``file`` (a base name)."""

    rows: int = 0
    file: str = ""
    row: int = 0

    def before(self, file: str, first_row: int, offset: int, n: int) -> int:
        """How many of a block's ``n`` rows, the first at ``offset``, lie before the mark.

        Raises:
            FileProblem: when the mark's row is not where it was.
        """
        if offset < self.rows <= offset + n and (file, first_row + self.rows - offset) != (self.file, self.row):
            raise FileProblem(
                f"{self.file}: the saved state has read it to row {self.row}; there stands row {first_row + self.rows - offset} of "
                f"{file} now. Files must not be renamed, removed or put in between: put them back, or start with another --state"
            )
        return max(0, min(n, self.rows - offset))

    def reached(self, rows: int) -> None:
        """Check, at the end of a partition of so many rows, that the mark lies in it.

        Raises:
            FileProblem: when it does not.
        """
        if rows < self.rows:
            raise FileProblem(
                f"{self.file}: the saved state has read {self.rows} rows of its partition, and there are {rows} now. Rows must not "
                "be removed: put them back, or start with another --state"
            )


def behind(blocks: Iterator[Block], mark: Mark) -> Iterator[Block]:
    """The blocks of a partition from a mark on."""
    rows = 0
    for block in blocks:
        n = len(block.rows)
        skip = mark.before(block.file, block.first_row, rows, n)
        rows += n
        if skip == 0:
            yield block
        elif skip < n:
            kept = block.rows.take(np.arange(skip, n))
            cut = {row - skip: size for row, size in block.cut.items() if row >= skip}
            yield Block(kept, block.file, block.first_row + skip, block.bytes_read, cut)
    mark.reached(rows)


def size_of(source: FileInput) -> int:
    """Bytes of all files of a source."""
    return sum(path.stat().st_size for paths in partitions_of(source) for path in paths)


def _cut_rows(rows: RawRows) -> dict[int, int]:
    """Cut rows that are too long down to their heads; their lengths."""
    length = rows.stop - rows.start
    found = np.flatnonzero(length > LONGEST)
    rows.stop[found] = rows.start[found] + KEPT
    return {int(row): int(length[row]) for row in found}


def _cut(path: Path) -> Iterator[tuple[NDArray[np.uint8], int, int, int, int]]:
    """A file's bytes in blocks of whole lines.

    Each as bytes with where its lines begin and end in them, how many bytes of the file were read for it, and the length of
    its line where that is too long (then it has no other, and only its head).
    """
    try:
        with opened(path) as file:
            yield from _lines_of(file)
    except (OSError, EOFError, zlib.error) as error:
        cause = getattr(error, "strerror", None) or str(error)
        raise FileProblem(f"{path}: cannot be read: {cause}. Check that the file exists, is whole, and may be read") from error


def _lines_of(file: IO[bytes]) -> Iterator[tuple[NDArray[np.uint8], int, int, int, int]]:
    rest = np.zeros(0, np.uint8)
    cut, place, first = 0, 0, True
    while True:
        data = POOL.empty((len(rest) + BLOCK + PADDING,), np.uint8)
        data[: len(rest)] = rest
        got = file.readinto(data[len(rest) : len(rest) + BLOCK].data)  # type: ignore[attr-defined]
        n = len(rest) + got
        data[n : n + PADDING] = 0
        end = n if not got else _last_line_end(data, len(rest), n)
        begin = len(_BOM) if first and data[:3].tobytes() == _BOM else 0
        now = _place(file)
        if cut and end:
            # The rest of a line that is too long: what is kept of it, then the lines behind it.
            stop = end if not got else len(rest) + int(np.argmax(data[len(rest) : end] == _NEWLINE)) + 1
            head = np.append(data[:KEPT], np.zeros(PADDING, np.uint8))
            yield head, 0, KEPT, 0, cut + stop - len(rest) - (1 if got else 0)
            cut, begin, first = 0, stop, False
        if end > begin:
            yield data[: end + PADDING], begin, end, now - place, 0
            place, first = now, False
        if not got:
            return
        rest = data[end:n]
        if cut or len(rest) > LONGEST:
            cut = cut + got if cut else len(rest)
            rest = rest[:KEPT].copy()


_NEWLINE = 10


def _last_line_end(data: NDArray[np.uint8], low: int, high: int) -> int:
    """Behind the last newline of ``data[low:high]``; 0 if there is none."""
    step = 65_536
    while high > low:
        at = np.flatnonzero(data[max(low, high - step) : high] == _NEWLINE)
        if len(at):
            return max(low, high - step) + int(at[-1]) + 1
        high -= step
    return 0


def _place(file: IO[bytes]) -> int:
    """How many bytes of the file itself were read."""
    return file.fileobj.tell() if isinstance(file, gzip.GzipFile) and file.fileobj else file.tell()


def opened(path: Path) -> IO[bytes]:
    """A file for reading, unpacked where its name ends in .gz."""
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb", buffering=0)  # type: ignore[return-value]


def _natural(path: Path) -> list[tuple[int, int, str]]:
    parts = re.findall(r"\d+|\D+", str(path))
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]
