"""``tocsin dead``: rows that could not be read, and how they come back once their cause is mended."""

from __future__ import annotations

import base64
import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from dataflows.commands.brokers import application_of
from dataflows.commands.events import SUFFIXES, events_at, place_of
from dataflows.commands.failures import UserError
from dataflows.commands.options import Given, Inputs, Json, Overlays, Params

dead = typer.Typer(help="Look at dead letters, and bring them back.", no_args_is_help=True)
Place = Annotated[
    Path, typer.Argument(help="An application, or a file of dead letters.", show_default=False, metavar="APPLICATION|FILE")
]
Stream = Annotated[str | None, typer.Option(help="Only those of this stream or table.", metavar="NAME")]
Reason = Annotated[str | None, typer.Option(help="Only those for this reason.", metavar="REASON")]


@dead.callback()
def _group() -> None:
    """Look at dead letters, and bring them back."""


@dead.command("list")
def list_(
    place: Place,
    count: Annotated[int, typer.Option("-n", "--count", min=0, help="How many to show.")] = 20,
    stream: Stream = None, reason: Reason = None,
    param: Params = None, input: Inputs = None, with_: Overlays = None, as_json: Json = False,  # noqa: A002 - the option's name
) -> None:  # fmt: skip
    """List dead letters by reason, the last ones with what is wrong with them.

    Example: tocsin dead list app.yaml --reason type
    """
    found = _found(place, Given(with_, param, input), stream, reason)
    last = found[max(0, len(found) - count) :]
    if as_json:
        for event in last:
            typer.echo(json.dumps(event))
        return
    totals = Counter((event["data"]["stream"], event["data"]["reason"]) for event in found)
    typer.echo(f"{len(found):,} dead letters" + "".join(f"\n  {name}: {n:,} for {why}" for (name, why), n in totals.most_common()))
    for event in last:
        data = event["data"]
        where = f"{data['topic']} partition {data['partition']}, offset {data['offset']}"
        typer.echo(f"{data['stream']}: {data['reason']}: {data['detail']} ({where})")


@dead.command()
def replay(
    place: Place,
    application: Annotated[
        Path | None, typer.Option("--into", help="The application whose topics they came from; else APPLICATION.", metavar="FILE")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write their lines to a file instead.", metavar="FILE")] = None,
    stream: Stream = None, reason: Reason = None,
    param: Params = None, input: Inputs = None, with_: Overlays = None, as_json: Json = False,  # noqa: A002 - the option's name
) -> None:  # fmt: skip
    """Send dead letters again, byte for byte: to the partitions they came from, or into a file that --input takes.

    Example: tocsin dead replay app.yaml --stream payments
    """
    given = Given(with_, param, input)
    found = _found(place, given, stream, reason)
    kept = [event["data"] for event in found if event["data"].get("value") is not None]
    if out is not None:
        out.write_bytes(b"".join(base64.b64decode(data["value"]).rstrip(b"\n") + b"\n" for data in kept))
    else:
        target = application or place
        if target.suffix not in SUFFIXES:
            raise UserError("expected --out FILE, or --into APPLICATION, whose topics the dead letters came from")
        _send(target, given, kept)
    left = len(found) - len(kept)
    if as_json:
        typer.echo(json.dumps({"replayed": len(kept), "without_value": left}))
        return
    typer.echo(f"{len(kept):,} rows {'written to ' + str(out) if out else 'sent again'}"
               + (f"; {left:,} have no value, or one too large to have been kept" if left else ""))  # fmt: skip


def _found(place: Path, given: Given, stream: str | None, reason: str | None) -> list[dict[str, Any]]:
    """The dead letters at a place, in its order; of one stream, for one reason."""
    found = [(event, event["data"]) for event in events_at(place_of(place, given, "dead_letters"))]
    return [event for event, data in found if stream in (None, data.get("stream")) and reason in (None, data.get("reason"))]


def _send(path: Path, given: Given, rows: list[dict[str, Any]]) -> None:
    from dataflows.connectors.kafka.connection import connection_of
    from dataflows.connectors.kafka.resend import Original, resend
    from models.application.resolved.sources import KafkaInput

    loaded = application_of(path, given)
    by_connection: dict[str, list[Original]] = {}
    for row in rows:
        source = loaded.streams.get(row["stream"]) or loaded.tables.get(row["stream"])
        if source is None or not isinstance(source.input, KafkaInput) or row["topic"] not in source.input.topics:
            raise UserError(
                f"{path}: {row['stream']!r} does not read topic {row['topic']!r}, where a dead letter came from; write them with "
                "--out FILE, or name the application with --into"
            )
        headers = [(name, _bytes(value)) for name, value in row["headers"]]
        original = Original(row["topic"], row["partition"], _bytes(row["key"]), _bytes(row["value"]), headers)
        by_connection.setdefault(source.input.connection, []).append(original)
    for name, originals in by_connection.items():
        resend(connection_of(loaded.connections, name), originals)


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)
