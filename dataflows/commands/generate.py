"""``tocsin generate``: seeded synthetic data."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from dataflows.commands.options import Json

T = TypeVar("T")
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
    to: Annotated[str | None, typer.Option(help="Send everything to topics, too, in the order of time.", metavar="kafka")] = None,
    brokers: Annotated[str, typer.Option(help="Addresses of Kafka.", envvar="BROKERS")] = "127.0.0.1:9092",
    rate: Annotated[int, typer.Option(min=0, help="Records a second; 0: as fast as the broker takes them.")] = 0,
    prefix: Annotated[str, typer.Option(help="What the topics' names begin with.")] = "",
    partitions: Annotated[int, typer.Option(min=1, help="Partitions of a topic that is made.")] = 1,
    as_json: Json = False,
) -> None:
    """Write a bank's payments, logins, transfers and changes, and labels of planted fraud.

    Example: tocsin generate bank --out data --days 30 --customers 1000
    """
    if to not in (None, "kafka"):
        raise typer.BadParameter(f"expected kafka; found {to!r}", param_hint="--to")
    from dataflows.generate.bank import Size
    from dataflows.generate.write import generate_bank

    started = time.perf_counter()
    found = generate_bank(out, Size(customers, terminals, days), seed=seed, episodes=episodes)
    seconds = time.perf_counter() - started
    sent = None if to is None else _send(out, brokers, rate, prefix, partitions)
    if as_json:
        more = {} if sent is None else {"sent": sent}
        typer.echo(json.dumps({**asdict(found), "seconds": round(seconds, 3), **more}))
        return
    typer.echo(
        f"{found.payments:,} payments, {found.logins:,} logins, {found.transfers:,} transfers, {found.reports:,} reports, "
        f"{found.changes:,} changes; {found.labelled:,} labelled events of {found.episodes} episodes in {seconds:.1f} s to {out}"
    )


def _send(out: Path, brokers: str, rate: int, prefix: str, partitions: int) -> int:
    """Send a bank's files to topics, which are made where they are missing; how many records."""
    from dataflows.commands.brokers import patient
    from dataflows.connectors.kafka.asking import make_topics, topics_of
    from dataflows.connectors.kafka.connection import Connection
    from dataflows.connectors.kafka.resend import Original, resend
    from dataflows.generate.feed import KEYS, feed

    connection = Connection("--brokers", {"bootstrap.servers": brokers})
    known = topics_of(connection, patient())
    missing = {prefix + name: partitions for name in KEYS if prefix + name not in known}
    if missing:
        make_topics(connection, missing, -1)
    records = (Original(prefix + each.topic, -1, each.key, each.value, []) for each in feed(out))
    return resend(connection, paced(records, rate))


def paced(records: Iterable[T], rate: int) -> Iterator[T]:
    """Things no faster than so many a second; 0: as they come."""
    begun = time.monotonic()
    for number, record in enumerate(records):
        ahead = number / rate - (time.monotonic() - begun) if rate else 0.0
        if ahead > 0.01:
            time.sleep(ahead)
        yield record


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
