"""The ledger that operators' commands look into and change."""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflows.commands.failures import UserError

if TYPE_CHECKING:
    from agents.ledger.ledger import Ledger

LedgerUrl = Annotated[
    str, typer.Option("--ledger", envvar="TOCSIN_LEDGER", help="The responder's ledger: a path, or postgresql://…", metavar="URL")
]
LEDGER = "ledger.db"
BY = "tocsin"
"""The audit's chain of what commands do."""


@contextmanager
def ledger_at(url: str) -> Iterator[Ledger]:
    """A ledger that is there; it is let go of at the end.

    Raises:
        UserError: if there is none, or it cannot be used.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from agents.ledger.connect import LedgerError, ledger_url
    from agents.ledger.ledger import Ledger

    try:
        found = ledger_url(url)
        if found.get_backend_name() == "sqlite" and not Path(found.database or "").is_file():
            raise UserError(f"{found.database}: expected a responder's ledger; found no such file; name it by --ledger")
        ledger = Ledger(url)
    except LedgerError as error:
        raise UserError(str(error)) from None
    except SQLAlchemyError as error:
        raise UserError(f"the ledger cannot be opened: {type(error.__cause__ or error).__name__}; see --ledger") from None
    try:
        yield ledger
    finally:
        ledger.close()


def written(ledger: Ledger, operation: Callable[[Any], Any]) -> Any:
    """The value of an operation that writes."""
    return ledger.writer.submit(operation).result()


def now() -> int:
    """The present moment, microseconds since 1970."""
    return time.time_ns() // 1000


def person() -> str:
    """Who runs the command."""
    return getpass.getuser()


def moment(text: str, option: str, present: int) -> int:
    """A time as RFC 3339, or a duration from now: 2h, 30m, 1d.

    Raises:
        typer.BadParameter: for anything else.
    """
    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
    if text and text[-1] in units and text[:-1].isdecimal():
        return present + int(text[:-1]) * units[text[-1]] * 1_000_000
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"expected a duration such as 2h or a time such as 2026-11-25T18:00Z; found {text!r}", param_hint=option
        ) from None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return int(found.timestamp() * 1_000_000)
