"""The end of a run as people and machines read it."""

from __future__ import annotations

import json

import typer

from dataflows.commands.console import err
from dataflows.counts import Counts
from models.application.resolved import Application


def summary(application: Application, counts: Counts, seconds: float, *, as_json: bool) -> None:
    """Print what went in and what came out: to standard error, since flags may go to standard output."""
    rows = sum(counts.rows.values())
    rate = rows / seconds if seconds > 0 else 0.0
    if as_json:
        found = {
            "application": application.name,
            "seconds": round(seconds, 3),
            "rows_per_second": round(rate),
            **counts.as_dict(),
        }
        typer.echo(json.dumps(found), err=application.outputs.to is None)
        return
    from rich.table import Table

    shown = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("in", "rows", "filtered", "late", "dead", "duplicates"):
        shown.add_column(column, justify="left" if column == "in" else "right")
    for name in counts.rows:
        dead = sum(n for key, n in counts.dead.items() if key.startswith(f"{name} "))
        numbers = (counts.rows[name], counts.filtered[name], counts.late[name], dead, counts.duplicates[name])
        shown.add_row(name, *(f"{number:,}" for number in numbers))
    err.print(shown)
    flags = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("pattern", "flags", "suppressed"):
        flags.add_column(column, justify="left" if column == "pattern" else "right")
    for name in application.patterns:
        flags.add_row(name, f"{counts.flags[name]:,}", f"{counts.suppressed[name]:,}")
    err.print(flags)
    where = application.outputs.to or "standard output"
    err.print(f"{rows:,} rows in {seconds:.2f} s ({rate:,.0f} rows/s), {sum(counts.flags.values()):,} flags to {where}")
