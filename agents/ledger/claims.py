"""Leases: who works on a row, and the fence by which one who lost it is told.

The same SQL on both databases; PostgreSQL skips rows that others hold locked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, select, update

from agents.ledger.connect import POSTGRESQL, lease_now


class Lost(Exception):
    """The lease ended and another took the row: what was meant for it must not be done."""


def claim(
    connection: Connection,
    table: Table,
    *,
    owner: str,
    now: int,
    lease: int,
    most: int,
    where: ColumnElement[bool] | None = None,
    order: Sequence[ColumnElement[Any]] = (),
) -> list[dict[str, Any]]:
    """At most ``most`` open rows that are due and nobody's, as they are after the claim.

    now, lease: microseconds; order: what comes first, by default lane, then due_at.
    """
    leases = lease_now(connection, now)
    columns, key = table.c, _key(table)
    free = and_(columns.open, columns.due_at <= now, columns.lease_until < leases)
    chosen = select(key).where(free if where is None else and_(free, where)).limit(most)
    chosen = chosen.order_by(*(order or (columns.lane, columns.due_at)))
    if connection.dialect.name == POSTGRESQL:
        chosen = chosen.with_for_update(skip_locked=True)
    taken = update(table).where(key.in_(chosen.scalar_subquery())).values(
        owner=owner, fence=columns.fence + 1, lease_until=leases + lease
    )  # fmt: skip
    rows = [dict(row) for row in connection.execute(taken.returning(*columns)).mappings()]
    return sorted(rows, key=lambda row: (row["lane"], row["due_at"]))


def held(connection: Connection, table: Table, row: Mapping[str, Any], **values: Any) -> None:
    """Change a claimed row and let go of it, unless ``lease_until`` is among the values.

    Raises:
        Lost: if it is another's by now, or done.
    """
    values.setdefault("lease_until", 0)
    key = _key(table)
    mine = and_(key == row[key.name], table.c.open, table.c.owner == row["owner"], table.c.fence == row["fence"])
    if connection.execute(update(table).where(mine).values(**values)).rowcount != 1:
        raise Lost(f"{table.name} {row[key.name]}: the lease was lost to another process")


def renew(connection: Connection, table: Table, row: Mapping[str, Any], *, now: int, lease: int) -> None:
    """Hold a claimed row for ``lease`` microseconds from now.

    Raises:
        Lost: if it is another's by now.
    """
    held(connection, table, row, lease_until=lease_now(connection, now) + lease)


def take_over(connection: Connection, table: Table, key: str, *, owner: str) -> dict[str, Any] | None:
    """An open row from whoever has it, leased to nobody: what its holder does next is Lost. None: it is not open."""
    column = _key(table)
    taken = update(table).where(column == key, table.c.open).values(owner=owner, fence=table.c.fence + 1, lease_until=0)
    row = connection.execute(taken.returning(*table.c)).mappings().one_or_none()
    return None if row is None else dict(row)


def _key(table: Table) -> Any:
    return next(iter(table.primary_key.columns))
