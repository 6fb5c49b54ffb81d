"""``tocsin match``: the matches over a file of events, one JSON line each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dataflows.commands.options import Application, Overlays, Params, pairs


def match(
    application: Application,
    events: Annotated[Path, typer.Option(help='JSON lines: {"on": STREAM, …fields}, {"advance_to": TIME}.', show_default=False)],
    param: Params = None,
    with_: Overlays = None,
) -> None:
    """Print the matches over a file of events, in the order of processing.

    Each event stands with its field ref, or else its line number; late and dead events are told on standard error.

    Example: tocsin match app.yaml --events events.jsonl
    """
    import orjson

    from dataflows.matching import matches_of
    from models.application.load import load

    found = matches_of(load(application, overlays=with_ or [], params=pairs(param, "--param")), events)
    for words in found.passed_over:
        typer.echo(words, err=True)
    for line in found.matches:
        typer.echo(orjson.dumps(line).decode())
