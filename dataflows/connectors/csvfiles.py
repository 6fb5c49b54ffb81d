"""Records of CSV files, cut at the line ends that stand outside quotes (RFC 4180)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dataflows.connectors.files import BLOCK, Block, FileProblem, opened
from dataflows.decoding.json import raw_rows
from dataflows.decoding.kernels_lines import record_ends


def csv_blocks(paths: Sequence[Path]) -> Iterator[Block]:
    """Records of files; each is passed on as one line of bytes with its header's names (header, a zero byte, record)."""
    offset = 0
    for path in paths:
        first = 0
        records = _records(_whole(path))
        header = next(records, b"")
        for batch in _batches(records):
            rows = raw_rows([header + b"\0" + record for record in batch])
            size = sum(len(record) + 1 for record in batch)
            yield Block(replace(rows, offset=np.arange(offset, offset + len(batch))), path.name, first, size)
            first, offset = first + len(batch), offset + len(batch)


def _whole(path: Path) -> bytes:
    try:
        with opened(path) as file:
            return file.read().removeprefix(b"\xef\xbb\xbf")
    except (OSError, EOFError, zlib.error) as error:
        cause = getattr(error, "strerror", None) or str(error)
        raise FileProblem(f"{path}: cannot be read: {cause}. Check that the file exists, is whole, and may be read") from error


def _records(whole: bytes) -> Iterator[bytes]:
    """Records of a file; a newline inside quotes ends none."""
    data = np.frombuffer(whole, np.uint8)
    start, stop = np.empty(len(whole) // 2 + 1, np.int64), np.empty(len(whole) // 2 + 1, np.int64)
    count = record_ends(data, 0, len(whole), start, stop)
    for begin, end in zip(start[:count].tolist(), stop[:count].tolist(), strict=True):
        yield whole[begin:end]


def _batches(records: Iterator[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for record in records:
        batch.append(record)
        size += len(record)
        if size >= BLOCK:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
