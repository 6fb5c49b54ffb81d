"""``tocsin topics``: the topics that an application needs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflows.commands.brokers import application_of, patient
from dataflows.commands.failures import OUTSIDE
from dataflows.commands.options import Application, Given, Inputs, Json, Overlays, Params

if TYPE_CHECKING:
    from dataflows.connectors.kafka.needed import Need, Right


def topics(
    application: Application,
    param: Params = None,
    input: Inputs = None,  # noqa: A002 - the option's name
    with_: Overlays = None,
    create: Annotated[bool, typer.Option("--create", help="Make those that are missing.")] = False,
    partitions: Annotated[int, typer.Option(min=1, help="Partitions of a topic that is made.")] = 1,
    replication: Annotated[int, typer.Option(min=-1, help="Replicas of a topic that is made; -1: the broker's default.")] = -1,
    as_json: Json = False,
) -> None:
    """Show the topics that an application needs, whether they exist, and which rights it needs; exit code 3 while one is missing.

    Example: tocsin topics app.yaml --create --partitions 6
    """
    from dataflows.connectors.kafka.asking import make_topics, topics_of
    from dataflows.connectors.kafka.connection import connection_of
    from dataflows.connectors.kafka.needed import needed, rights

    loaded = application_of(application, Given(with_, param, input))
    needs = needed(loaded)
    found: dict[str, dict[str, int]] = {}
    made: dict[str, list[str]] = {}
    for name in dict.fromkeys(need.connection for need in needs):
        connection = connection_of(loaded.connections, name)
        found[name] = topics_of(connection, patient())
        missing = list(dict.fromkeys(need.topic for need in needs if need.connection == name and need.topic not in found[name]))
        if create and missing:
            make_topics(connection, dict.fromkeys(missing, partitions), replication)
            found[name].update(dict.fromkeys(missing, partitions))
            made[name] = missing
    rows = [_row(need, found[need.connection].get(need.topic), need.topic in made.get(need.connection, ())) for need in needs]
    allowed = rights(loaded, needs)
    if as_json:
        plain = {name: [asdict(right) for right in own] for name, own in allowed.items()}
        typer.echo(json.dumps({"topics": rows, "rights": plain}))
    else:
        _show(rows, allowed)
    if any(row["partitions"] is None for row in rows):
        raise typer.Exit(OUTSIDE)


def _row(need: Need, count: int | None, made: bool) -> dict[str, Any]:
    return {**asdict(need), "partitions": count, "made": made}


def _show(rows: list[dict[str, Any]], allowed: dict[str, list[Right]]) -> None:
    from dataflows.commands.console import out, table

    if not rows:
        out.print("The application reads and writes files only: it needs no topics.")
        return
    shown = [
        (f"{row['connection']}/{row['topic']}", row["access"], ", ".join(row["by"]), "–" if row["partitions"] is None else
         row["partitions"], "missing" if row["partitions"] is None else "made now" if row["made"] else "exists")
        for row in rows
    ]  # fmt: skip
    table("", ("topic", "access", "for", "partitions", "state"), shown, right=("partitions",))
    out.print("\nIts login must be allowed to:")
    for connection, own in allowed.items():
        for right in own:
            out.print(f"  {' and '.join(right.operations)} on {right.resource.lower()} {right.name} ({connection})", soft_wrap=True)
    if any(row["partitions"] is None for row in rows):
        out.print("\n--create makes the missing ones; tables' topics are better made by their connector.")
