"""``tocsin audit``: whether what was recorded still is what was recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflows.commands.failures import UserError
from dataflows.commands.ledgers import LEDGER, LedgerUrl, ledger_at

if TYPE_CHECKING:
    from agents.audit.verify import Head

audit = typer.Typer(no_args_is_help=True, help="The hash-chained record of decisions and effects.")


@audit.callback()
def _audit() -> None:
    """Keep ``verify`` a command of its own."""


@audit.command()
def verify(
    ledger: LedgerUrl = LEDGER,
    heads: Annotated[
        Path | None, typer.Option(help="Compare with the heads in FILE, and keep the present ones there.", metavar="FILE")
    ] = None,
) -> None:
    """Look for changes: each is named by its chain and record. Heads kept elsewhere also show an end that was cut off.

    Example: tocsin audit verify --heads /safe/place/heads.json
    """
    from agents.audit.verify import verify

    earlier = _heads(heads)
    with ledger_at(ledger) as opened:
        found = opened.look(lambda c: verify(c, earlier))
    if found.problems:
        raise UserError("\n".join([*found.problems, f"{len(found.problems)} problems in {found.records:,} records"]))
    if heads is not None:
        heads.write_text(json.dumps(found.heads, indent=2, sort_keys=True), encoding="utf-8")
    typer.echo(f"{found.records:,} records in {len(found.heads)} chains, unchanged", err=True)


def _heads(path: Path | None) -> dict[str, Head]:
    if path is None or not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {str(chain): (int(seq), str(hash_)) for chain, (seq, hash_) in found.items()}
    except (ValueError, TypeError, AttributeError):
        raise UserError(f"--heads: {path}: expected heads as an earlier verify wrote them") from None
