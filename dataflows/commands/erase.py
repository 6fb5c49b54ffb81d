"""``tocsin erase``: what is kept of one subject goes; the audit still verifies."""

from __future__ import annotations

from typing import Annotated

import typer

from dataflows.commands.failures import UserError
from dataflows.commands.ledgers import BY, LEDGER, LedgerUrl, ledger_at, now, person, written


def erase(
    subject: Annotated[str, typer.Argument(help="A subject as flags have it: ENTITY/KEY.", metavar="SUBJECT", show_default=False)],
    ledger: LedgerUrl = LEDGER,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Erase what is kept of a subject: flags' bodies, mask maps, models' requests and answers, tasks.

    Ids, verdicts and the audit's hashes stay, and ``tocsin audit verify`` still passes.

    Example: tocsin erase card/c-1 --yes
    """
    from agents.audit.erase import erase

    if not yes:
        typer.confirm(f"Erase all that is kept of {subject}? It cannot be undone.", abort=True)
    with ledger_at(ledger) as opened:
        found = written(opened, lambda c: erase(c, subject, person(), BY, now()))
    if found.flags == 0:
        raise UserError(f"{subject}: expected a subject as flags have it (ENTITY/KEY); no flag of this one is in the ledger")
    typer.echo(
        f"erased {found.flags} flags, {found.masks} mask maps, {found.bodies} bodies of models, {found.tasks} tasks", err=True
    )
