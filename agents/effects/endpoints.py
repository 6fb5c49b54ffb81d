"""The state of endpoints: switched off by 410 or after five days of failure, on again by people."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, and_, insert, or_, select, update

from agents.audit.chain import Entry, append
from agents.effects.outcome import Outcome
from agents.ledger.schema import endpoint

PATIENCE = 5 * 86_400_000_000
"""Microseconds of failure after which an endpoint is switched off."""


def note(connection: Connection, name: str, outcome: Outcome, application: str, now: int) -> bool:
    """What an attempt says of its endpoint; whether it was switched off by it."""
    if outcome.ok:
        failing = and_(endpoint.c.name == name, or_(endpoint.c.failing_since.is_not(None), endpoint.c.last_ok_at.is_(None)))
        connection.execute(update(endpoint).where(failing).values(failing_since=None, last_ok_at=now))
        return False
    if not outcome.counts:
        return False
    found = connection.execute(select(endpoint.c.state, endpoint.c.failing_since).where(endpoint.c.name == name)).one_or_none()
    if found is None:
        connection.execute(
            insert(endpoint).values(name=name, state="enabled", failing_since=now, changed_at=now, changed_by="tocsin")
        )
    elif found.state == "disabled":
        return False
    elif found.failing_since is None:
        _set(connection, name, failing_since=now)
    since = now if found is None or found.failing_since is None else found.failing_since
    if outcome.name == "gone":
        reason = "it answered 410 Gone"
    elif now - since >= PATIENCE:
        reason = "it failed for five days"
    else:
        return False
    switch(connection, name, False, reason, "tocsin", application, now)
    return True


def switch(connection: Connection, name: str, on: bool, reason: str, by: str, application: str, now: int) -> None:
    """Switch an endpoint on or off, with an audit record."""
    state = "enabled" if on else "disabled"
    values: dict[str, Any] = {"state": state, "reason": reason, "failing_since": None, "changed_at": now, "changed_by": by}
    if connection.execute(update(endpoint).where(endpoint.c.name == name).values(**values)).rowcount == 0:
        connection.execute(insert(endpoint).values(name=name, **values))
    append(connection, application, [Entry("endpoint", name, "", {"state": state, "reason": reason, "by": by})], now)


def _set(connection: Connection, name: str, **values: Any) -> None:
    connection.execute(update(endpoint).where(endpoint.c.name == name).values(**values))
