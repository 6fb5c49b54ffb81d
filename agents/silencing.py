"""Silences as people set them: flags that match are recorded and decided, and nothing leaves."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import Connection, insert, select, update

from agents.audit.chain import Entry, append
from agents.ledger.schema import silence
from models.expressions.text import time_text


def add(
    connection: Connection,
    application: str,
    *,
    matchers: str,
    until: int,
    author: str,
    comment: str,
    now: int,
    starts: int | None = None,
) -> str:
    """Set a silence whose condition was checked; its id. Times in microseconds."""
    id_ = str(uuid.uuid4())
    row = {
        "matchers": matchers,
        "starts_at": now if starts is None else starts,
        "until": until,
        "author": author,
        "comment": comment,
    }
    connection.execute(insert(silence).values(id=id_, created_at=now, **row))
    append(connection, application, [Entry("silence", id_, "", {**row, "set": True})], now)
    return id_


def silences(connection: Connection, now: int, *, every: bool = False) -> list[dict[str, Any]]:
    """Silences that last or are to come, or all."""
    wanted = select(silence).order_by(silence.c.created_at.desc(), silence.c.id)
    if not every:
        wanted = wanted.where(silence.c.until > now, silence.c.expired_at.is_(None))
    return [_shown(dict(row), now) for row in connection.execute(wanted).mappings()]


def expire(connection: Connection, application: str, beginning: str, by: str, now: int) -> list[str]:
    """End lasting silences whose id begins so; their ids."""
    lasting = silence.c.id.startswith(beginning, autoescape=True) & silence.c.expired_at.is_(None) & (silence.c.until > now)
    ids = list(connection.scalars(update(silence).where(lasting).values(expired_at=now).returning(silence.c.id)))
    append(connection, application, [Entry("silence", id_, "", {"by": by, "set": False}) for id_ in ids], now)
    return ids


def _shown(row: dict[str, Any], now: int) -> dict[str, Any]:
    over = row["expired_at"] is not None or row["until"] <= now
    state = "expired" if over else "pending" if row["starts_at"] > now else "active"
    return {
        "id": row["id"], "matchers": row["matchers"], "state": state, "starts_at": time_text(row["starts_at"]),
        "until": time_text(row["until"]), "author": row["author"], "comment": row["comment"],
    }  # fmt: skip
