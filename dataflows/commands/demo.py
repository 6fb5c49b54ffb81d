"""``tocsin demo``: a bank's month, from payments to explained flags, and how right they are."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).parent.parent.parent
APPLICATION = ROOT / "examples" / "card-fraud" / "app.yaml"


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the data and flags.")] = ROOT / "demo",
    customers: Annotated[int, typer.Option(min=100)] = 3000,
    days: Annotated[int, typer.Option(min=7)] = 30,
) -> None:
    """Generate a bank's month with planted fraud, run the example over it, and compare.

    Example: tocsin demo
    """
    from dataflows.commands.console import table
    from dataflows.commands.run import now
    from dataflows.generate.bank import Size
    from dataflows.generate.score import score
    from dataflows.generate.write import generate_bank
    from dataflows.running import Job, run_here
    from models.application.load import load

    data = out / "data"
    typer.echo(f"1. A bank's {days} days: {customers:,} customers, with planted fraud …")
    bank = generate_bank(data, Size(customers, 2 * customers, days), episodes=20)
    typer.echo(
        f"   {bank.payments:,} payments, {bank.changes:,} customer changes (Debezium), {bank.episodes} episodes of fraud in {data}"
    )
    inputs = {"transactions": str(data / "transactions.jsonl"), "customers": str(data / "customers.cdc.jsonl")}
    loaded = load(APPLICATION, inputs=inputs)
    flags = out / "flags.jsonl"
    loaded = replace(
        loaded,
        outputs=replace(loaded.outputs, to=str(flags), late=str(out / "late.jsonl"), dead_letters=str(out / "dead.jsonl")),
    )
    typer.echo(f"2. {len(loaded.patterns)} patterns of {APPLICATION.relative_to(ROOT)} over them …")
    started = time.perf_counter()
    counts = run_here(Job(loaded, 16, now))
    seconds = time.perf_counter() - started
    rows = sum(counts.rows.values())
    typer.echo(
        f"   {rows:,} rows in {seconds:.1f} s ({rows / seconds:,.0f} rows/s, start-up included): "
        f"{sum(counts.flags.values()):,} flags in {flags}\n"
    )
    typer.echo("3. One flag of each pattern, with its reason:")
    for line in _first_of_each(flags):
        typer.echo(f"   {line}")
    report = score(flags, data / "labels.csv")
    typer.echo("\n4. How right they were, against the planted fraud:")
    rows_ = [(p.pattern, p.flags, f"{p.right / p.flags:.0%}", p.kinds) for p in report.patterns]
    table("", ("pattern", "flags", "of labelled fraud", "which"), rows_, right=("flags", "of labelled fraud"))
    table("", ("episodes of", "caught", "planted"), report.caught, right=("caught", "planted"))
    typer.echo(
        "\nNext: ./tocsin plan examples/card-fraud/app.yaml · ./tocsin test examples/card-fraud/app.yaml · ./tocsin why --help"
    )


def _first_of_each(flags: Path) -> list[str]:
    seen: dict[str, str] = {}
    for line in flags.read_text(encoding="utf-8").splitlines():
        flag = json.loads(line)
        pattern = flag["data"]["pattern"]
        seen.setdefault(pattern["name"], f"{flag['time'][:19]}  {flag['severity']:<8} {pattern['name']}: {pattern['title']}")
    return list(seen.values())
