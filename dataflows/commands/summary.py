"""The end of a run as people and machines read it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from dataflows.commands.console import err
from dataflows.connectors.notices import Notice
from dataflows.monitoring.counts import Counts
from models.application.resolved.application import Application

if TYPE_CHECKING:
    from dataflows.running import Job


def summary(application: Application, counts: Counts, seconds: float, *, as_json: bool) -> None:
    """Print what went in and what came out: to standard error, since flags may go to standard output."""
    rows = sum(counts.rows.values())
    rate = rows / seconds if seconds > 0 else 0.0
    if as_json:
        numbers = {name: found for name, found in counts.as_dict().items() if name != "reached"}
        facts = {"application": application.name, "seconds": round(seconds, 3), "rows_per_second": round(rate), **numbers}
        typer.echo(json.dumps(facts), err=application.outputs.to is None)
        return
    _table(("in", "rows", "filtered", "late", "duplicates", "dead"), [_source(counts, name) for name in counts.rows])
    patterns = [name for name, pattern in application.patterns.items() if pattern.mode not in ("off", "part")]
    columns = ("pattern", "severity", "flags", "suppressed", "guarded")
    _table(columns, [_pattern(application, counts, name) for name in patterns])
    for name, number in counts.violations.items():
        err.print(_violations(name, number, ", ".join(application.streams[name].partitioned_by)), soft_wrap=True, style="yellow")
    where = application.outputs.to or "standard output"
    flags = sum(counts.flags.values())
    err.print(f"{rows:,} rows in {seconds:.2f} s ({rate:,.0f} rows/s), {flags:,} flags to {where}", soft_wrap=True)


def begun(job: Job, processes: int) -> Notice:
    """That a run begins: of what, and how."""
    application = job.application
    how = f"{processes} process(es), {job.shards} shards, " + ("no saved state" if job.state is None else f"state in {job.state}")
    text = f"{application.name} begins (version {application.version}, {application.sha256[:12]}): {how}"
    return Notice(
        "started", text, application=application.name, version=application.version, sha256=application.sha256, processes=processes,
        shards=job.shards, state=None if job.state is None else str(job.state), streams=list(application.streams),
        tables=list(application.tables), patterns=list(application.patterns),
    )  # fmt: skip


def ended(job: Job, counts: Counts, seconds: float) -> Notice:
    """That a run has ended, why, and what it counted."""
    rows, flags = sum(counts.rows.values()), sum(counts.flags.values())
    reason = "stopped" if job.stopping() else "end of input"
    numbers = {name: found for name, found in counts.as_dict().items() if name != "reached"}
    text = f"{job.application.name} has ended ({reason}): {rows:,} rows in {seconds:.2f} s, {flags:,} flags"
    return Notice("ended", text, "info", application=job.application.name, reason=reason, seconds=round(seconds, 3), **numbers)


def _violations(stream: str, number: int, by: str) -> str:
    return (
        f"{stream}: {number:,} of the keys looked at (1 in 1,024) lie in two partitions, against partitioned_by: {by}. Their flags "
        f"are wrong: have the input written by {by}, or remove partitioned_by"
    )


def _source(counts: Counts, name: str) -> tuple[str, ...]:
    """A source's row: the reasons of its dead letters stand beside their number."""
    reasons = {key.partition(" ")[2]: n for key, n in counts.dead.items() if key.partition(" ")[0] == name}
    dead = f"{sum(reasons.values()):,}"
    if reasons:
        dead += f" ({', '.join(f'{reason} {n:,}' for reason, n in sorted(reasons.items()))})"
    late = sum(n for key, n in counts.late.items() if key.partition(" ")[0] == name)
    numbers = (counts.rows[name], counts.filtered[name], late, counts.duplicates[name])
    return name, *(f"{number:,}" for number in numbers), dead


def _pattern(application: Application, counts: Counts, name: str) -> tuple[str, ...]:
    levels = [level for level, _ in application.patterns[name].severity]
    numbers = (counts.flags[name], counts.suppressed[name], counts.guarded[name])
    return name, "/".join(levels), *(f"{number:,}" for number in numbers)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.table import Table

    if not rows:
        return
    shown = Table(box=None, header_style="bold cyan", pad_edge=False)
    for column in columns:
        shown.add_column(column, justify="left" if column in (columns[0], "severity") else "right", no_wrap=True)
    for row in rows:
        shown.add_row(*row)
    err.print(shown)
    err.print()
