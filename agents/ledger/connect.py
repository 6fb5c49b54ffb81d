"""Engines for a ledger's URL: a path or ``sqlite:///PATH`` (WAL), or ``postgresql://…``.

Writers begin with BEGIN IMMEDIATE on SQLite, so that a transaction never fails halfway for want of the lock; readers do not.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, OperationalError

POSTGRESQL = "postgresql"
_PRAGMAS = (
    "journal_mode=wal", "synchronous=full", "busy_timeout=10000", "foreign_keys=on",
    "cache_size=-65536", "wal_autocheckpoint=8000",  # pages of random keys meet in memory before they go to disk
)  # fmt: skip


class LedgerError(Exception):
    """The ledger cannot be used as it is; the text says why and what to do."""


def unusable(error: BaseException) -> str | None:
    """What a database's own failure means for whoever runs a command on its ledger; None for other errors."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if not isinstance(error, OperationalError):
        return None
    cause = str(error.orig).strip().partition("\n")[0]
    cure = "Free room on its disk" if "full" in cause or "No space" in cause else "See that it can be reached and written"
    return f"the ledger: {cause}. {cure}; what was committed is kept, and the same command goes on from there"


def ledger_url(given: str) -> URL:
    """The URL of a ledger; a plain path means SQLite.

    Raises:
        LedgerError: for other databases.
    """
    if "://" not in given:
        return URL.create("sqlite", database=str(Path(given)))
    try:
        url = make_url(given)
    except ArgumentError as error:
        raise LedgerError("--ledger: expected a path, sqlite:///PATH or postgresql://USER@HOST/DATABASE") from error
    backend = url.get_backend_name()
    if backend in (POSTGRESQL, "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise LedgerError(f"--ledger: expected sqlite or postgresql, found {backend!r}")
    return url.set(drivername="sqlite")


def connect(url: URL, *, writing: bool, connections: int = 1) -> Engine:
    """An engine with at most ``connections`` connections."""
    # an error's text shows no parameters: flags would be among them, and errors are logged
    pool: dict[str, Any] = {"pool_size": connections, "max_overflow": 0, "pool_timeout": 60, "hide_parameters": True}
    if url.get_backend_name() == POSTGRESQL:
        return create_engine(url, pool_pre_ping=not writing, **pool)
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"check_same_thread": False}, **pool)
    event.listen(engine, "connect", _pragmas)
    event.listen(engine, "begin", _begin_immediate if writing else _begin)
    return engine


def lease_now(connection: Connection, now: int) -> int:
    """The time that leases go by: the database's own on PostgreSQL, since hosts' clocks differ; else ``now``."""
    if connection.dialect.name != POSTGRESQL:
        return now
    return int(connection.scalar(text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")))


def _pragmas(connection: sqlite3.Connection, _: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")
