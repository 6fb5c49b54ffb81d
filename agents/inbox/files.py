"""Flags of a file: a structured CloudEvent a line, from where the ledger's offset stands."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from agents.inbox.intake import Place
from agents.inbox.record import Record

BATCH = 500
"""Records in one transaction."""
_BLOCK = 1 << 20
_POLL = 0.2


def identity(path: Path) -> str:
    """The file's name in the ledger: its own, and its first line's, so that another file of that name is another."""
    with path.open("rb") as file:
        first = hashlib.sha256(file.readline(_BLOCK)).hexdigest()[:12]
    return f"{path.name}#{first}"


class FileInput:
    """Reads batches of lines. ``offset``: the byte to begin at."""

    def __init__(self, path: Path, offset: int, *, whole: bool) -> None:
        self.source = identity(path)
        self.offset = offset
        self.whole = whole
        self._file: BinaryIO = path.open("rb")

    def batches(self, most: int) -> Iterator[tuple[list[Record], list[Place]]]:
        """Batches up to the file's present end; without ``whole``, a line that is still being written waits."""
        while records := self._read(most):
            yield records, [Place(self.source, 0, self.offset)]

    def _read(self, most: int) -> list[Record]:
        self._file.seek(self.offset)
        found: list[Record] = []
        while len(found) < most:
            line = self._file.readline()
            if not line or not (line.endswith(b"\n") or self.whole):
                break
            if text := line.strip():
                found.append(Record(self.source, 0, self.offset, text))
            self.offset += len(line)
        return found

    async def run(self, take: Callable[[list[Record], list[Place]], Awaitable[object]]) -> None:
        """Give batches to ``take`` up to the end; without ``whole``, go on as the file grows."""
        while True:
            for records, places in self.batches(BATCH):
                await take(records, places)
            if self.whole:
                return
            await asyncio.sleep(_POLL)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
