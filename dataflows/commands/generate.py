"""``tocsin generate``: seeded synthetic data."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from dataflows.commands.options import Json

generate = typer.Typer(help="Generate seeded synthetic data.", no_args_is_help=True)


@generate.callback()
def _group() -> None:
    """Generate seeded synthetic data."""


@generate.command()
def bank(
    out: Annotated[Path, typer.Option(help="Folder to write into.")],
    customers: Annotated[int, typer.Option(min=1)] = 5000,
    terminals: Annotated[int, typer.Option(min=1)] = 10000,
    days: Annotated[int, typer.Option(min=1)] = 183,
    episodes: Annotated[int, typer.Option(min=0, help="Planted episodes of each kind.")] = 20,
    seed: int = 0,
    as_json: Json = False,
) -> None:
    """Write a bank's payments, customers' changes and labels of planted fraud.

    Example: tocsin generate bank --out data --days 30 --customers 1000
    """
    from dataflows.generate.bank import Size
    from dataflows.generate.write import generate_bank

    started = time.perf_counter()
    found = generate_bank(out, Size(customers, terminals, days), seed=seed, episodes=episodes)
    seconds = time.perf_counter() - started
    if as_json:
        typer.echo(json.dumps({**asdict(found), "seconds": round(seconds, 3)}))
        return
    typer.echo(
        f"{found.payments:,} payments, {found.changes:,} customer changes, {found.labelled:,} labelled payments of "
        f"{found.episodes} episodes in {seconds:.1f} s to {out}"
    )
