"""``tocsin deliveries``: effects on their way, those that failed, and trying them again."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from dataflows.commands.failures import UserError
from dataflows.commands.ledgers import BY, LEDGER, LedgerUrl, ledger_at, now, person, written
from dataflows.commands.options import Json

deliveries = typer.Typer(no_args_is_help=True, help="What was sent to endpoints and topics, and what was not.")
Target = Annotated[str, typer.Option("--endpoint", help="Only this endpoint or topic.", metavar="NAME")]


@deliveries.command("list")
def list_(
    ledger: LedgerUrl = LEDGER,
    state: Annotated[str, typer.Option(help="waiting, ready, done, dead, cancelled or parked.", metavar="STATE")] = "",
    endpoint: Target = "",
    flag: Annotated[str, typer.Option(help="Only of this flag's id.", metavar="FLAG")] = "",
    most: Annotated[int, typer.Option(help="At most so many, the newest first.", min=1)] = 50,
    as_json: Json = False,
) -> None:
    """List deliveries: where each stands and why.

    Example: tocsin deliveries list --state dead
    """
    from agents.deliveries import STATES, deliveries

    if state and state not in STATES:
        raise typer.BadParameter(f"expected one of {', '.join(STATES)}; found {state!r}", param_hint="--state")
    with ledger_at(ledger) as opened:
        rows = opened.look(lambda c: deliveries(c, state=state, target=endpoint, flag=flag, most=most))
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        typer.echo(_line(row))
    if not rows:
        typer.echo("no deliveries", err=True)


@deliveries.command()
def retry(
    keys: Annotated[list[str] | None, typer.Argument(help="Keys of deliveries.", metavar="KEY", show_default=False)] = None,
    endpoint: Target = "",
    ledger: LedgerUrl = LEDGER,
) -> None:
    """Try dead or parked deliveries again: these, or all of an endpoint. Their keys stay, so that none is accepted twice.

    Example: tocsin deliveries retry --endpoint core-banking
    """
    from agents.deliveries import retry

    if bool(keys) == bool(endpoint):
        raise typer.BadParameter("expected keys, or --endpoint NAME")
    with ledger_at(ledger) as opened:
        again = written(opened, lambda c: retry(c, BY, person(), now(), keys=keys or (), target=endpoint))
    if keys and len(again) < len(keys):
        missing = ", ".join(key for key in keys if key not in again)
        raise UserError(f"{missing}: expected the key of a dead or parked delivery; see tocsin deliveries list --state dead")
    typer.echo(f"{len(again)} to be tried again; a running responder takes them up", err=True)


@deliveries.command()
def enable(
    endpoint: Annotated[str, typer.Argument(help="The endpoint's name.", metavar="ENDPOINT", show_default=False)],
    ledger: LedgerUrl = LEDGER,
) -> None:
    """Switch an endpoint on again that was switched off by 410 or five days of failure.

    Example: tocsin deliveries enable core-banking
    """
    _turn(endpoint, True, ledger)


@deliveries.command()
def disable(
    endpoint: Annotated[str, typer.Argument(help="The endpoint's name.", metavar="ENDPOINT", show_default=False)],
    ledger: LedgerUrl = LEDGER,
) -> None:
    """Switch an endpoint off: what is due to it dies, and can be tried again later.

    Example: tocsin deliveries disable core-banking
    """
    _turn(endpoint, False, ledger)


def _turn(endpoint: str, on: bool, ledger: str) -> None:
    from agents.deliveries import turn

    with ledger_at(ledger) as opened:
        written(opened, lambda c: turn(c, endpoint, on, person(), BY, now()))
    typer.echo(f"{endpoint} is {'on' if on else 'off'}", err=True)


def _line(row: dict[str, Any]) -> str:
    when = f"next {row['due_at']}" if row["due_at"] and row["state"] == "ready" else row["done_at"] or row["created_at"]
    why = f"  {row['error']}" if row["error"] else ""
    what = f"{row['key']}  {row['state']:<9} {row['kind']:<8} {row['target']}"
    return f"{what}  {row['attempts']} tried  {when}  flag {row['flag_id']}{why}"
