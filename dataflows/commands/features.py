"""``tocsin features``: every event with its features and scores as of that event."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from dataflows.commands.options import Application, Inputs, Json, Params, pairs


def features(
    application: Application,
    out: Annotated[Path, typer.Option(help="Where to write: .parquet, .csv or .jsonl.")],
    events: Annotated[Path | None, typer.Option(help="Replaces the source of the only stream.")] = None,
    stream: Annotated[str | None, typer.Option(help="Whose events to write, where there are several streams.")] = None,
    input: Inputs = None,  # noqa: A002 - the option's name
    param: Params = None,
    as_json: Json = False,
) -> None:
    """Write every event with its features and scores as of that event.

    Example: tocsin features app.yaml --events tx.parquet --out features.parquet
    """
    from dataflows.commands.failures import UserError
    from dataflows.featuring import featured
    from models.application.load import load

    inputs = pairs(input, "--input")
    loaded = load(application, params=pairs(param, "--param"), inputs=inputs)
    name = stream or next(iter(loaded.streams))
    if stream is None and len(loaded.streams) > 1:
        raise UserError(f"{application}: expected --stream NAME, since there are several: {', '.join(loaded.streams)}")
    if name not in loaded.streams:
        raise UserError(f"{application}: no stream {name!r}; expected one of {', '.join(loaded.streams)}")
    if events is not None:
        loaded = load(application, params=pairs(param, "--param"), inputs={**inputs, name: str(events)})
    started = time.perf_counter()
    found = featured(loaded, name)
    seconds = time.perf_counter() - started
    write: dict[str, Callable[[Path], object]] = {
        ".parquet": found.write_parquet,
        ".csv": found.write_csv,
        ".jsonl": found.write_ndjson,
    }
    if out.suffix not in write:
        raise UserError(f"{out}: expected a file that ends in .parquet, .csv or .jsonl")
    out.parent.mkdir(parents=True, exist_ok=True)
    write[out.suffix](out)
    facts = {"rows": found.height, "columns": found.width, "seconds": round(seconds, 3), "out": str(out)}
    text = f"{found.height:,} rows with {found.width} columns in {seconds:.2f} s to {out}"
    typer.echo(json.dumps(facts) if as_json else text)
