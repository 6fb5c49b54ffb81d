"""Writes to the ledger: operations of many tasks in one transaction.

An operation is a function of a connection that runs SQL and returns a value; it may run twice (after its transaction failed to
commit), so it changes nothing else; what is to happen once it is committed it hands to ``when_committed``. ``run`` puts it with
others into one transaction, each behind a savepoint, so that one that raises leaves the others alone. ``bulk`` gives it a
transaction of its own, without a savepoint: for batches.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

T = TypeVar("T")
Operation = Callable[[Connection], T]

MOST = 256
"""Operations in one transaction."""


@dataclass(slots=True)
class _Item:
    operation: Operation[Any]
    bulk: bool
    future: Future[Any] = field(default_factory=Future)


_local = threading.local()


def when_committed(act: Callable[[], None]) -> None:
    """Within a writer's operation: run ``act`` once the operation is committed, in the writer's thread; never, if it never is."""
    acts: list[Callable[[], None]] = getattr(_local, "acts", [])
    acts.append(act)


class Writer:
    """Threads that write: one on SQLite, which has one writer anyway, a few on PostgreSQL."""

    def __init__(self, engine: Engine, threads: int = 1) -> None:
        self._engine = engine
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._work, name=f"ledger-{i}", daemon=True) for i in range(threads)]
        for thread in self._threads:
            thread.start()

    async def run(self, operation: Operation[T]) -> T:
        """The operation's value once it is committed; what it raises is raised here, and nothing of it is kept."""
        return await asyncio.wrap_future(self.submit(operation))

    async def bulk(self, operation: Operation[T]) -> T:
        """As ``run``, in a transaction of its own."""
        return await asyncio.wrap_future(self.submit(operation, bulk=True))

    def submit(self, operation: Operation[T], *, bulk: bool = False) -> Future[T]:
        """For callers without a loop: the future of the operation's value."""
        item = _Item(operation, bulk)
        self._queue.put(item)
        return item.future

    def close(self) -> None:
        """Write what waits, then end the threads."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while True:
            items, last = self._take()
            if items:
                self._commit(items)
            if last:
                return

    def _take(self) -> tuple[list[_Item], bool]:
        """What is to be written next: a bulk operation alone, or the small ones that wait; and whether it is the end."""
        items: list[_Item] = []
        while len(items) < MOST:
            try:
                item = self._queue.get(block=not items)
            except queue.Empty:
                break
            if item is None:
                return items, True
            if item.bulk:
                if items:
                    self._commit(items)
                return [item], False
            items.append(item)
        return items, False

    def _commit(self, items: list[_Item]) -> None:
        """All in one transaction; where that fails, one by one, so that what is at fault fails alone."""
        items = [item for item in items if item.future.set_running_or_notify_cancel()]
        try:
            self._transaction(items)
        except BaseException as error:
            if len(items) == 1 and not _retried(error):
                items[0].future.set_exception(error)
                return
            for item in items:
                self._alone(item)

    def _alone(self, item: _Item) -> None:
        try:
            self._transaction([item])
        except BaseException as error:
            item.future.set_exception(error)

    def _transaction(self, items: list[_Item]) -> None:
        done: list[tuple[_Item, Any, BaseException | None]] = []
        acts: list[Callable[[], None]] = []
        with self._engine.begin() as connection:
            for item in items:
                _local.acts = []
                done.append((item, *self._one(connection, item, alone=len(items) == 1)))
                acts += _local.acts if done[-1][2] is None else []
        for act in acts:
            act()
        for item, value, error in done:
            if error is None:
                item.future.set_result(value)
            else:
                item.future.set_exception(error)

    def _one(self, connection: Connection, item: _Item, *, alone: bool) -> tuple[Any, BaseException | None]:
        if alone:
            return item.operation(connection), None
        try:
            with connection.begin_nested():
                return item.operation(connection), None
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            return None, error
        except Exception as error:
            return None, error


def _retried(error: BaseException) -> bool:
    """Whether the transaction rather than the operation failed: a deadlock, a conflict, a lost connection, a busy file."""
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None) or ""
    return error.connection_invalidated or state.startswith("40") or "locked" in str(error.orig)
