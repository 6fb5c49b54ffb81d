"""Silences: while one lasts, flags that it matches are recorded and decided ``default:silenced``, and nothing leaves."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from agents.ledger.schema import silence
from models.application.respond.resolved import Respond
from models.expressions.compile import ExpressionError, compile_expression
from models.expressions.expression import Expression
from models.values.types import Kind


@dataclass(frozen=True, slots=True)
class Silence:
    """One that lasts."""

    id: str
    matchers: Expression


def matcher(text: str, respond: Respond) -> Expression:
    """A silence's condition, in the language of routes.

    Raises:
        ExpressionError: for what is none.
    """
    return compile_expression(text, respond.scope, respond.facts, Kind.BOOL)


def lasting(connection: Connection, respond: Respond, now: int) -> tuple[Silence, ...]:
    """The silences that last now; one that names what this release does not know silences nothing."""
    c = silence.c
    query = select(c.id, c.matchers).where(c.starts_at <= now, c.until > now, c.expired_at.is_(None)).order_by(c.created_at, c.id)
    found = []
    for id_, text in connection.execute(query):
        try:
            found.append(Silence(id_, matcher(text, respond)))
        except ExpressionError:
            continue
    return tuple(found)
