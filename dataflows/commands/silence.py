"""``tocsin silence``: flags that match are recorded and decided, and nothing leaves."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from dataflows.commands.failures import UserError
from dataflows.commands.ledgers import BY, LEDGER, LedgerUrl, ledger_at, moment, now, person, written
from dataflows.commands.options import Application, Json

silence = typer.Typer(no_args_is_help=True, help="Keep flags from doing anything for a while.")


@silence.command()
def add(
    application: Application,
    matchers: Annotated[
        str, typer.Argument(help="A condition on flags, as routes have it.", metavar="CONDITION", show_default=False)
    ],
    until: Annotated[str, typer.Option(help="A duration from now, or a time.", metavar="2h|TIME")],
    comment: Annotated[str, typer.Option(help="Why.", metavar="TEXT")],
    ledger: LedgerUrl = LEDGER,
) -> None:
    """Silence flags that meet a condition.

    Example: tocsin silence add app.yaml "pattern = 'dc_down'" --until 2h --comment "planned work"
    """
    from agents.routing.silences import matcher
    from agents.silencing import add
    from models.application.load import load
    from models.expressions.compile import ExpressionError

    loaded = load(application)
    if loaded.respond is None:
        raise UserError(f"{application}: expected a section respond with responders; found none")
    try:
        matcher(matchers, loaded.respond)
    except ExpressionError as error:
        raise UserError(f"CONDITION: {error}") from None
    present = now()
    end = moment(until, "--until", present)
    if end <= present:
        raise typer.BadParameter(f"expected a time to come; found {until!r}", param_hint="--until")
    with ledger_at(ledger) as opened:
        id_ = written(opened, lambda c: add(c, BY, matchers=matchers, until=end, author=person(), comment=comment, now=present))
    typer.echo(id_)


@silence.command("list")
def list_(
    ledger: LedgerUrl = LEDGER,
    every: Annotated[bool, typer.Option("--all", help="Those that are over too.")] = False,
    as_json: Json = False,
) -> None:
    """List the silences that last or are to come.

    Example: tocsin silence list
    """
    from agents.silencing import silences

    with ledger_at(ledger) as opened:
        rows = opened.look(lambda c: silences(c, now(), every=every))
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        typer.echo(f"{row['id']}  {row['state']:<8} until {row['until']}  {row['matchers']}  ({row['author']}: {row['comment']})")
    if not rows:
        typer.echo("no silences", err=True)


@silence.command()
def expire(
    id_: Annotated[str, typer.Argument(help="A silence's id, or its beginning.", metavar="ID", show_default=False)],
    ledger: LedgerUrl = LEDGER,
) -> None:
    """End a silence now.

    Example: tocsin silence expire 5b1c
    """
    from agents.silencing import expire

    with ledger_at(ledger) as opened:
        ids = written(opened, lambda c: expire(c, BY, id_, person(), now()))
    if not ids:
        raise UserError(f"no silence that lasts has an id that begins with {id_!r}; see tocsin silence list")
    typer.echo("\n".join(ids))
