"""``tocsin demo``: a bank's month, from payments to explained flags, and how right they are."""

from __future__ import annotations

import json
import time
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from dataflows.generate.write import Summary
    from dataflows.monitoring.counts import Counts
    from models.application.resolved.application import Application

ROOT = Path(__file__).parent.parent.parent
APPLICATION = ROOT / "examples" / "card-fraud" / "app.yaml"
SHARDS = 16
SEVERITIES = ("critical", "high", "medium", "low", "info")


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the data and the flags.")] = ROOT / "demo",
    customers: Annotated[int, typer.Option(min=100, help="How large a bank.")] = 3000,
    days: Annotated[int, typer.Option(min=7)] = 30,
    episodes: Annotated[int, typer.Option(min=1, help="Planted episodes of each kind.")] = 12,
    seed: int = 0,
    kafka: Annotated[bool, typer.Option("--kafka", help="Live, through topics of a broker in memory.")] = False,
    rate: Annotated[int, typer.Option(min=1, help="With --kafka: records a second.")] = 5000,
    seconds: Annotated[float, typer.Option(min=1, help="With --kafka: when it is over at the latest.")] = 120,
) -> None:
    """Generate a bank's month with planted fraud, run the example over it, and compare.

    Example: tocsin demo
    """
    from dataflows.commands.demo_decisions import demo_decisions
    from dataflows.generate.bank import Size
    from dataflows.generate.score import score
    from dataflows.generate.write import generate_bank

    say = _console().print
    data = out / "data"
    say(f"\n[bold]1  A bank's month[/]  {customers:,} customers, {days} days, fraud planted and labelled (seed {seed})")
    written = generate_bank(data, Size(customers, 2 * customers, days), seed=seed, episodes=episodes)
    say(_written(written))
    if kafka:
        from dataflows.commands.demo_kafka import demo_kafka

        say(f"\n[bold]2  Live[/]  {rate:,} records a second, event time runs faster than the clock; Ctrl-C ends it\n")
        demo_kafka(APPLICATION, out, rate, seconds)
        return
    application = _application(out)
    flags = Path(str(application.outputs.to))
    say(f"\n[bold]2  Detection[/]  {len(application.patterns)} patterns of {_shown(APPLICATION)}")
    counts, seconds = _run(application)
    _speed(counts, seconds, days)
    found = [json.loads(line) for line in flags.read_text(encoding="utf-8").splitlines()]
    say("\n[bold]3  What it found[/]  one flag of each pattern, in words and with its reasons\n")
    for flag in _one_of_each(found, application):
        say(indent(told(flag), "   ") + "\n", soft_wrap=True)
    say("[bold]4  How right it was[/]  against the planted fraud\n")
    _table(score(flags, data / "labels.csv"))
    say("\n[bold]5  Decisions[/]  what becomes of each flag\n")
    demo_decisions(Path(application.path), flags, flags.parent)
    _next(flags, found, application)


def _written(written: Summary) -> str:
    return (
        f"   {written.payments:,} payments, {written.logins:,} logins, {written.transfers:,} transfers, {written.reports:,} fraud "
        f"reports,\n   {written.changes:,} changes of customers and cards (Debezium)"
    )


def _application(out: Path) -> Application:
    """The example, copied to where the data are: its paths are relative to its file."""
    from dataflows.commands.copying import lay_beside
    from models.application.load import load

    copied = out / APPLICATION.name
    copied.write_bytes(APPLICATION.read_bytes())
    lay_beside(APPLICATION, out)
    return load(copied)


def _run(application: Application) -> tuple[Counts, float]:
    from dataflows.commands.progress import watched
    from dataflows.commands.run import now
    from dataflows.running import Job, run_here

    started = time.perf_counter()
    with watched(application, "  ") as watch:
        counts = run_here(Job(application, SHARDS, now, watch))
    return counts, time.perf_counter() - started


def _speed(counts: Counts, seconds: float, days: int) -> None:
    rows, flags = sum(counts.rows.values()), sum(counts.flags.values())
    bad = f"{sum(counts.late.values())} late, {sum(counts.dead.values())} unreadable"
    _console().print(
        f"   {rows:,} events in {seconds:.1f} s: [bold]{rows / seconds:,.0f} events/s[/] on one core ({bad})\n"
        f"   [bold]{flags:,} flags[/], {flags / days:.0f} a day; {sum(counts.suppressed.values()):,} repeats suppressed"
    )


def _one_of_each(flags: list[dict[str, Any]], application: Application) -> list[dict[str, Any]]:
    """The first of the gravest flags of each pattern that is more than low."""
    found = []
    for name in application.patterns:
        own = [flag for flag in flags if flag["data"]["pattern"]["name"] == name and flag["severity"] != "low"]
        found += sorted(own, key=lambda flag: SEVERITIES.index(flag["severity"]))[:1]
    return found


def told(flag: dict[str, Any]) -> str:
    """A flag as the demo shows it: what, about whom, when, and its reasons; with markup for a terminal."""
    from rich.markup import escape

    pattern, severity = flag["data"]["pattern"], flag["severity"]
    colour = {"critical": "bold red", "high": "red", "medium": "yellow"}.get(severity, "blue")
    moment = flag["time"][:16].replace("T", " ")
    lines = [
        f"[{colour}]{severity.upper()}[/] [bold]{pattern['name']}[/]  {flag['subject']}, {moment}",
        f"  {escape(pattern['title'])}",
        "  [dim]because",
        *(f"    {escape(_reason(reason))}" for reason in flag["data"]["reasons"]),
    ]
    return "\n".join(lines) + "[/]"


def _reason(reason: dict[str, Any]) -> str:
    """The condition, and in brackets what stood there; of a threshold that is no plain number, that too."""
    expression, threshold = reason["expression"], reason["threshold"]
    if threshold is None:
        return str(expression)
    plain = expression.rsplit(" ", 1)[-1].replace(".", "").isdigit()
    compared = "" if plain else f" {reason['operator']} {_value(threshold)}"
    return f"{expression}  ({_value(reason['value'])}{compared})"


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}".rstrip("0").rstrip(".")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _table(kinds: list[Any]) -> None:
    from dataflows.commands.console import table

    rows = [
        (
            f"   {kind.kind}", kind.planted, kind.found, kind.flags, f"{kind.right / kind.flags:.0%}" if kind.flags else "–",
            _hours(kind.delay),
        )
        for kind in kinds
    ]  # fmt: skip
    columns = ("   kind of fraud", "planted", "found", "flags", "precision", "median delay")
    table("", columns, rows, right=columns[1:])
    _console().print(
        "   [dim]found: a flag's evidence is of the episode; precision: flags whose evidence is of any episode.\n"
        "   A terminal's fraud shows only once card holders report it, days later.[/]",
        soft_wrap=True,
    )


def _hours(delay: float | None) -> str:
    if delay is None:
        return "–"
    if delay == 0:
        return "at once"
    return f"{delay / 24:.1f} days" if delay >= 48 else f"{delay:.1f} hours" if delay >= 1 else f"{delay * 60:.0f} minutes"


def _next(flags: Path, found: list[dict[str, Any]], application: Application) -> None:
    """The files that are there now, and what one may ask of them."""
    chosen = next((flag for flag in found if flag["severity"] == "critical"), found[0] if found else None)
    file = _shown(Path(application.path))
    lines = [f"\n[bold]6  Look around[/]  {_shown(flags)} holds the flags, {file} the patterns and their tests"]
    if chosen is not None:
        lines.append(f"   ./tocsin why {chosen['id'][:8]} --flags {_shown(flags)}")
    lines.append(f"   ./tocsin respond {file} --once --replay")
    lines.append(f"   ./tocsin plan {file}")
    lines.append(f"   ./tocsin test {file}")
    lines.append(f"   ./tocsin features {file} --stream transfers --out {_shown(flags.parent)}/features.csv")
    _console().print("\n".join(lines), soft_wrap=True)


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _console() -> Any:
    from dataflows.commands.console import out

    return out
