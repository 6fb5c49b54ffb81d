"""A ledger, opened: ``await ledger.run(fn)`` writes, ``await ledger.read(fn)`` reads; ``fn`` takes a SQLAlchemy connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection

from agents.ledger.connect import POSTGRESQL, connect, ledger_url
from agents.ledger.migrate import migrate
from agents.ledger.writer import Writer

T = TypeVar("T")


class Ledger:
    """Engines, the writer and readers of one database.

    Raises:
        LedgerError: if the URL is none, or the database belongs to a newer release.
    """

    def __init__(self, url: str, *, writers: int | None = None, readers: int = 4) -> None:
        found = ledger_url(url)
        self.url = found
        self.postgresql = found.get_backend_name() == POSTGRESQL
        threads = (writers or 3) if self.postgresql else 1
        self.engine = connect(found, writing=True, connections=threads)
        migrate(self.engine)
        self.reading = connect(found, writing=False, connections=readers)
        self.writer = Writer(self.engine, threads)
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="ledger-read")

    async def run(self, operation: Callable[[Connection], T]) -> T:
        """See ``Writer.run``."""
        return await self.writer.run(operation)

    async def bulk(self, operation: Callable[[Connection], T]) -> T:
        """See ``Writer.bulk``."""
        return await self.writer.bulk(operation)

    async def read(self, operation: Callable[[Connection], T]) -> T:
        """The value of a function that only reads."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.look, operation)

    def look(self, operation: Callable[[Connection], T]) -> T:
        """``read`` for callers without a loop."""
        with self.reading.begin() as connection:
            return operation(connection)

    def close(self) -> None:
        """Write what waits and let go of the database."""
        self.writer.close()
        self._readers.shutdown()
        self.reading.dispose()
        self.engine.dispose()
