"""Budgets in the ledger: reserved before a call by one conditional statement, settled with what it took.

A scope is a limit of all responders, of one, or of one responder's flags of one pattern, in one window (an hour or a day, UTC).
All of a call's scopes are reserved together or none, whoever else reserves at the same time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, case, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from agents.ledger.connect import POSTGRESQL
from agents.ledger.schema import budget
from models.application.respond.resolved import Budget, Limit

_LENGTH = {"hour": 3_600_000_000, "day": 86_400_000_000}


@dataclass(frozen=True, slots=True)
class Scope:
    """A limit with its name: ``all:money/day``, ``takeover:calls/hour``, ``takeover/impossible_travel:money/day``."""

    name: str
    limit: Limit

    def window(self, now: int) -> tuple[int, int]:
        """Start and end of the window that a moment is in, microseconds since 1970 UTC."""
        length = _LENGTH[self.limit.window]
        return now - now % length, now - now % length + length


@dataclass(frozen=True, slots=True)
class Reserved:
    """What was taken out of a scope's window: nano, calls or tokens."""

    scope: str
    window: int
    unit: str
    amount: int


class OutOfBudget(Exception):
    """A scope has not enough left; the text names it."""


def scopes(everyone: Budget, responder: str, own: Budget, pattern: str) -> tuple[Scope, ...]:
    """The scopes of a call for a flag, the widest first: all take them in this order, so that nobody waits in a circle."""
    found = [("all", limit) for limit in everyone.limits] + [(responder, limit) for limit in own.limits]
    if pattern in own.per_pattern or "default" in own.per_pattern:
        found.append((f"{responder}/{pattern}", own.per_pattern.get(pattern) or own.per_pattern["default"]))
    return tuple(Scope(f"{name}:{limit.unit}/{limit.window}", limit) for name, limit in found)


def reserve(
    connection: Connection, runmode: str, wanted: Sequence[Scope], needs: Mapping[str, int], now: int
) -> tuple[Reserved, ...]:
    """Take ``needs`` (money in nano, calls, tokens) out of every scope.

    Raises:
        OutOfBudget: if one has not enough left; then nothing was taken.
    """
    if not wanted:
        return ()
    taken = tuple(Reserved(s.name, s.window(now)[0], s.limit.unit, needs.get(s.limit.unit, 0)) for s in wanted)
    with connection.begin_nested():
        _open(connection, runmode, wanted, now)
        need = case(*((budget.c.unit == unit, amount) for unit, amount in needs.items()), else_=0)
        rows = or_(*(and_(budget.c.scope == each.scope, budget.c.window == each.window) for each in taken))
        enough = and_(budget.c.runmode == runmode, rows, budget.c.remaining >= need)
        done = connection.execute(update(budget).where(enough).values(remaining=budget.c.remaining - need, updated_at=now))
        if done.rowcount != len(taken):
            raise OutOfBudget(_lacking(connection, runmode, taken))
    return taken


def settle(connection: Connection, runmode: str, taken: Iterable[Reserved], spent: Mapping[str, int], now: int) -> None:
    """Give back what a call did not need; what is not in ``spent`` stays taken."""
    for each in taken:
        if each.unit in spent and (back := each.amount - spent[each.unit]):
            row = and_(budget.c.runmode == runmode, budget.c.scope == each.scope, budget.c.window == each.window)
            connection.execute(update(budget).where(row).values(remaining=budget.c.remaining + back, updated_at=now))


@dataclass(frozen=True, slots=True)
class Left:
    """A scope's present window: what it began with and what is left of it."""

    scope: str
    unit: str
    window: int
    ends_at: int
    total: int
    remaining: int


def left(connection: Connection, runmode: str, now: int) -> list[Left]:
    """Scopes whose window is now, by name."""
    present = and_(budget.c.runmode == runmode, budget.c.window <= now, budget.c.ends_at > now)
    names = ("scope", "unit", "window", "ends_at", "total", "remaining")
    rows = connection.execute(select(*(budget.c[name] for name in names)).where(present).order_by(budget.c.scope))
    return [Left(*row) for row in rows]


def _open(connection: Connection, runmode: str, wanted: Sequence[Scope], now: int) -> None:
    """The windows' rows, with what is in them moved by as much as a limit was changed; they are locked from here on."""
    rows = [
        {
            "runmode": runmode, "scope": scope.name, "window": scope.window(now)[0], "ends_at": scope.window(now)[1],
            "unit": scope.limit.unit, "total": scope.limit.most, "remaining": scope.limit.most, "updated_at": now,
        }
        for scope in wanted
    ]  # fmt: skip
    insert = (postgresql if connection.dialect.name == POSTGRESQL else sqlite).insert
    statement = insert(budget)
    moved = {"total": statement.excluded.total, "remaining": budget.c.remaining + statement.excluded.total - budget.c.total}
    for row in rows:
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["runmode", "scope", "window"], set_=moved, where=budget.c.total != statement.excluded.total
            ).values(row)
        )


def _lacking(connection: Connection, runmode: str, taken: Sequence[Reserved]) -> str:
    for each in taken:
        row = and_(budget.c.runmode == runmode, budget.c.scope == each.scope, budget.c.window == each.window)
        remaining = connection.scalar(select(func.min(budget.c.remaining)).where(row))
        if remaining is not None and remaining < each.amount:
            return f"{each.scope} has {remaining} left and the call may take {each.amount}"
    return "a budget has too little left"
