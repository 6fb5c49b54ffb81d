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
    """Write a bank's payments, logins, transfers and changes, and labels of planted fraud.

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
        f"{found.payments:,} payments, {found.logins:,} logins, {found.transfers:,} transfers, {found.reports:,} reports, "
        f"{found.changes:,} changes; {found.labelled:,} labelled events of {found.episodes} episodes in {seconds:.1f} s to {out}"
    )


@generate.command()
def ops(
    out: Annotated[Path, typer.Option(help="Folder to write into.")],
    hours: Annotated[int, typer.Option(min=4)] = 24,
    incidents: Annotated[int, typer.Option(min=0, max=8, help="Planted incidents of each kind.")] = 4,
    seed: int = 0,
    as_json: Json = False,
) -> None:
    """Write requests, metrics, probes and deploys of a small service landscape, and labels of planted incidents.

    Example: tocsin generate ops --out examples/ops-alerts/data
    """
    from dataflows.generate.ops import generate_ops

    started = time.perf_counter()
    found = generate_ops(out, hours=hours, seed=seed, incidents=incidents)
    seconds = time.perf_counter() - started
    if as_json:
        typer.echo(json.dumps({**asdict(found), "seconds": round(seconds, 3)}))
        return
    typer.echo(
        f"{found.requests:,} requests, {found.metrics:,} metrics, {found.probes:,} probes, {found.deploys:,} deploys; "
        f"{found.incidents} incidents in {seconds:.1f} s to {out}"
    )
