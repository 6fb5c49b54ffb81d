"""``tocsin init``: a commented starter application from a file of events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from dataflows.commands.failures import UserError
from dataflows.commands.options import Json


def init(
    file: Annotated[Path | None, typer.Argument(help="JSON lines, CSV, Parquet or Debezium changes.", metavar="FILE")] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="A file, or a topic of --brokers.", metavar="file:PATH|kafka:TOPIC")
    ] = None,
    brokers: Annotated[str, typer.Option(help="Addresses of Kafka.", envvar="BROKERS")] = "127.0.0.1:9092",
    settings: Annotated[
        Path | None, typer.Option("--settings", help="A file of librdkafka's settings, KEY=VALUE lines: the login.", metavar="FILE")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of librdkafka; secrets as ${NAME} or ${file:PATH}.", metavar="KEY=VALUE"),
    ] = None,
    out: Annotated[Path, typer.Option(help="Where to write; - prints.", metavar="FILE")] = Path("app.yaml"),
    name: Annotated[str | None, typer.Option(help="The application's name.", metavar="NAME")] = None,
    time: Annotated[str | None, typer.Option(help="The field with the event's time.", metavar="FIELD")] = None,
    id_: Annotated[str | None, typer.Option("--id", help="The field with the event's id.", metavar="FIELD")] = None,
    by: Annotated[str | None, typer.Option(help="The field that names whom the example is about.", metavar="FIELD")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    as_json: Json = False,
) -> None:
    """Write a starter application for a file: types, time, id and disorder as found in it, with an example and its test.

    Example: tocsin init data/payments.jsonl --out app.yaml
    """
    printed = str(out) == "-"
    if not printed and out.exists() and not force:
        raise UserError(f"{out}: is there already; write elsewhere with --out FILE, or over it with --force")
    from dataflows.starting.start import Wishes, start

    wishes = Wishes(name, time, id_, by)
    target = Path("app.yaml") if printed else out
    unset: list[str] = []
    if (from_ or "").startswith("kafka:") and file is None:
        from dataflows.commands.logins import login
        from dataflows.commands.sampling import of_topic

        found = login(brokers, settings, set_)
        path, starter = Path(str(from_)), of_topic(str(from_).removeprefix("kafka:"), found, target, wishes)
        unset = found.unset
    else:
        path = _path(file, from_)
        starter = start(path, target, wishes)
    if printed:
        typer.echo(starter.text(), nl=False)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(starter.text(), encoding="utf-8")
    declared = sum(field.type is not None for field in starter.fields)
    if as_json:
        typer.echo(json.dumps({"out": str(out), "stream": starter.stream, "format": starter.sample.format,
                               "rows": starter.sample.rows, "fields": declared}))  # fmt: skip
        return
    left = len(starter.fields) - declared
    typer.echo(f"{out}: stream {starter.stream} with {declared} fields from {starter.sample.rows:,} rows of {path}"
               + (f"; {left} left out, see the comments" if left else ""))  # fmt: skip
    if unset:
        typer.echo(f"Secrets are not written: set {', '.join(unset)} in the environment, or name files as ${{file:PATH}}")
    typer.echo(f"Next: tocsin check {out} · tocsin test {out} · tocsin run {out}")


def _path(file: Path | None, from_: str | None) -> Path:
    if (file is None) == (from_ is None):
        raise typer.BadParameter("expected a FILE, --from file:PATH, or --from kafka:TOPIC")
    if file is not None:
        return file
    kind, colon, rest = (from_ or "").partition(":")
    if kind != "file" or not colon or not rest:
        raise typer.BadParameter(f"expected file:PATH or kafka:TOPIC; found {from_!r}", param_hint="--from")
    return Path(rest)
