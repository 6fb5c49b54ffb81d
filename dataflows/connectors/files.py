"""Files as partitions: blocks of whole rows, in natural order of names."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import IO

from dataflows.decoding.decoded import RawRows
from dataflows.decoding.json import split_lines
from models.application.resolved import FileInput

BLOCK = 8 << 20
"""Bytes read at once; small enough for the cache of a few cores, large enough that a shard's share is worth a call."""


class FileProblem(Exception):
    """A file that cannot be read: which, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Block:
    """Whole rows of one file: its base name, the number of its first row in it, and how many bytes were read for it."""

    rows: RawRows
    file: str
    first_row: int
    bytes_read: int


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
        for data, size in _cut(path):
            rows = split_lines(data, offset)
            yield Block(rows, path.name, row, size)
            row += len(rows)
            offset += len(rows)


def size_of(source: FileInput) -> int:
    """Bytes of all files of a source."""
    return sum(path.stat().st_size for paths in partitions_of(source) for path in paths)


def _cut(path: Path) -> Iterator[tuple[bytes, int]]:
    """A file's bytes in blocks that end at line ends, and how many bytes of the file each took."""
    rest = b""
    try:
        with opened(path) as file:
            place = 0
            while data := file.read(BLOCK):
                data = rest + data
                end = data.rfind(b"\n") + 1
                rest = data[end:]
                now = file.tell() if path.suffix != ".gz" else place + len(data)
                if end:
                    yield data[:end], now - place
                    place = now
        if rest:
            yield rest, len(rest)
    except (OSError, EOFError, gzip.BadGzipFile) as error:
        cause = getattr(error, "strerror", None) or str(error)
        raise FileProblem(f"{path}: cannot be read: {cause}. Check that the file exists, is whole, and may be read") from error


def opened(path: Path) -> IO[bytes]:
    """A file for reading, unpacked where its name ends in .gz."""
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb", buffering=0)  # type: ignore[return-value]


def _natural(path: Path) -> list[tuple[int, int, str]]:
    parts = re.findall(r"\d+|\D+", str(path))
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]
