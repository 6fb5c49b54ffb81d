"""``tocsin features``: every event with its features and scores as of that event."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflows.commands.failures import UserError
from dataflows.commands.options import Application, Inputs, Json, Overlays, Params, pairs

if TYPE_CHECKING:
    import polars as pl

    from models.application.resolved.application import Application as Loaded


def features(
    application: Application,
    out: Annotated[Path, typer.Option(help="Where to write: .parquet, .csv or .jsonl.", metavar="FILE")],
    events: Annotated[
        Path | None,
        typer.Option(help="Takes the place of the only stream's source; of several streams: lines as for match.", metavar="FILE"),
    ] = None,
    stream: Annotated[list[str] | None, typer.Option(help="Write the events of this stream alone.", metavar="NAME")] = None,
    input: Inputs = None,  # noqa: A002 - the option's name
    param: Params = None,
    with_: Overlays = None,
    as_json: Json = False,
) -> None:
    """Write every event with its features and scores as of that event, in the order of the input.

    Example: tocsin features app.yaml --events tx.parquet --out features.parquet

    Example of several streams: tocsin features app.yaml --input tx=tx.csv --input logins=logins.jsonl --out f.parquet
    """
    if out.suffix not in (".parquet", ".csv", ".jsonl"):
        raise UserError(f"{out}: expected a file that ends in .parquet, .csv or .jsonl")
    from models.application.load import load

    inputs, params = pairs(input, "--input"), pairs(param, "--param")
    loaded = load(application, overlays=with_ or [], params=params, inputs=inputs)
    names = _streams(loaded, stream)
    together = len(loaded.streams) > 1
    if events is not None and not together:
        inputs = {**inputs, next(iter(loaded.streams)): str(events)}
        loaded = load(application, overlays=with_ or [], params=params, inputs=inputs)
    started = time.perf_counter()
    found = _featured(loaded, names, events if together else None, alone=stream is not None and len(stream) == 1)
    seconds = time.perf_counter() - started
    _write(found, out)
    facts = {"rows": found.height, "columns": found.width, "seconds": round(seconds, 3), "out": str(out)}
    text = f"{found.height:,} rows with {found.width} columns in {seconds:.2f} s to {out}"
    typer.echo(json.dumps(facts) if as_json else text)


def _streams(loaded: Loaded, wanted: list[str] | None) -> list[str]:
    for name in wanted or ():
        if name not in loaded.streams:
            raise UserError(f"{loaded.path}: no stream {name!r}; expected one of {', '.join(loaded.streams)}")
    return [name for name in loaded.streams if not wanted or name in wanted]


def _featured(loaded: Loaded, names: list[str], lines: Path | None, *, alone: bool) -> pl.DataFrame:
    from dataflows.featuring import featured, featured_lines, featured_together
    from models.application.load import refuse_kafka, without_source

    if lines is not None:
        return featured_lines(loaded, names, lines)
    if refused := [*refuse_kafka(loaded, sinks=False), *without_source(loaded)]:
        raise UserError("\n".join(refused))
    return featured(loaded, names[0]) if alone or len(loaded.streams) == 1 else featured_together(loaded, names)


def _write(found: pl.DataFrame, out: Path) -> None:
    write: dict[str, Callable[[Path], object]] = {
        ".parquet": found.write_parquet,
        ".csv": found.write_csv,
        ".jsonl": found.write_ndjson,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    write[out.suffix](out)
