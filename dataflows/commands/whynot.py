"""``tocsin why --pattern P --key K``: every attempt of a pattern for a key, and what ended it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dataflows.commands.failures import UserError

if TYPE_CHECKING:
    from dataflows.tracing.trace import Story
    from models.application.resolved.application import Application


def tell(
    application: Application, pattern: str, key: str, at: str | None, most: int, *, as_json: bool, trees: bool
) -> None:  # fmt: skip
    """Print what a key's events did to a pattern."""
    from dataflows.commands.live import moment
    from dataflows.tracing.plain import plain
    from dataflows.tracing.words import chosen, told

    story = story_of(application, pattern, key)
    when = moment(at, "--at")
    if as_json:
        attempts = story.attempts if when is None else chosen(story, when, len(story.attempts))
        typer.echo(json.dumps(plain(application, story, attempts), indent=2))
        return
    for line in told(application, story, chosen(story, when, most), trees=trees):
        typer.echo(line)


def tell_trees(application: Application, flag: Mapping[str, Any]) -> None:
    """Print the trees of a flag's conditions, from its key's events read again."""
    from dataflows.tracing.words import details

    story = story_of(application, flag["data"]["pattern"]["name"], flag["partitionkey"])
    found = [attempt for attempt in story.attempts if attempt.flag == flag["id"]]
    if not found:
        raise UserError(f"{application.path}: its sources and patterns do not give flag {flag['id']} any more")
    typer.echo("  conditions")
    for attempt in found:
        for line in details(application, attempt, trees=True):
            typer.echo(line)


def story_of(application: Application, pattern: str, key: str) -> Story:
    """A pattern's attempts for a key, from the application's sources.

    Raises:
        UserError: for a pattern or a key that is none.
    """
    from dataflows.commands.live import say
    from dataflows.connectors.kafka.live import END, Live, Span
    from dataflows.reading.readers import static_tables
    from dataflows.runtime.topology import reads_kafka
    from dataflows.tracing.reading import files, topics
    from dataflows.tracing.trace import trace
    from dataflows.tracing.watched import NoKey
    from models.application.load import without_source
    from models.expressions.compile import suggest

    if pattern not in application.patterns:
        raise UserError(f"{application.path}: expected a pattern; found {pattern!r}{suggest(pattern, application.patterns)}")
    if refused := without_source(application):
        raise UserError("\n".join(refused))
    live = Live(lambda: time.time_ns() // 1000, say, span=Span(end=END))
    try:
        return trace(application, pattern, key, topics(live) if reads_kafka(application) else files, static_tables)
    except NoKey as error:
        by = ", ".join(application.patterns[pattern].by.fields)
        raise UserError(f"--key of {pattern} ({by}): {error}") from None


def application_at(path: Path | None) -> Path:
    """The application file that is meant."""
    found = path or Path("app.yaml")
    if not found.exists():
        raise UserError(f"expected the application file: tocsin why APPLICATION --pattern P --key K; found no {found} here")
    return found
