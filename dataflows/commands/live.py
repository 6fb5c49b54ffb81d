"""What a run on Kafka is given by the command line: the clock, where messages go, and the span."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

import typer

from dataflows.connectors.kafka.live import END, Live, Span
from dataflows.runtime.topology import reads_kafka, uses_kafka
from models.application.resolved.application import Application


def live_of(application: Application, begin: str | None, end: str | None, draining: Callable[[], bool]) -> Live | None:
    """What Kafka needs, None for an application of files only.

    Raises:
        typer.BadParameter: for a time that is none.
    """
    if not uses_kafka(application):
        if begin or end:
            raise typer.BadParameter("--from and --to are for topics; this application reads files")
        return None
    last = END if end == END or (end is None and not reads_kafka(application)) else moment(end, "--to")
    span = Span(moment(begin, "--from"), last)
    return Live(lambda: time.time_ns() // 1000, say, draining, span)


def endless(draining: Callable[[], bool]) -> Live:
    """For a command that goes on until it is interrupted."""
    return Live(lambda: time.time_ns() // 1000, say, draining, Span())


def moment(text: str | None, option: str) -> int | None:
    """RFC 3339 as microseconds; without an offset it is UTC.

    Raises:
        typer.BadParameter: for a text that is no time.
    """
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"expected a time such as 2026-01-31T12:00:00Z; found {text!r}", param_hint=option) from None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return round((found - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1_000_000)


def say(message: str) -> None:
    """Tell the user something beside the results."""
    print(message, file=sys.stderr, flush=True)
