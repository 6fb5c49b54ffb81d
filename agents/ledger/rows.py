"""Many rows of one table at once, without SQLAlchemy's work for each of them: what batches of flags are written with."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Table

from agents.ledger.connect import POSTGRESQL


def insert_rows(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows that all have the columns of the first; a column that is left out takes its default."""
    if not rows:
        return
    columns = tuple(rows[0])
    values = itemgetter(*columns)
    statement = _statement(table, columns, "%s" if connection.dialect.name == POSTGRESQL else "?")
    connection.exec_driver_sql(statement, [values(row) for row in rows])


@lru_cache(256)
def _statement(table: Table, columns: tuple[str, ...], mark: str) -> str:
    names = ", ".join(f'"{table.c[column].name}"' for column in columns)
    return f'INSERT INTO "{table.name}" ({names}) VALUES ({", ".join([mark] * len(columns))})'
