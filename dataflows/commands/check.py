"""``tocsin check``: everything that is wrong with an application file, at once."""

from __future__ import annotations

import json

import typer

from dataflows.commands.options import Application, Inputs, Json, Overlays, Params, pairs


def check(
    application: Application,
    param: Params = None,
    input: Inputs = None,  # noqa: A002 - the option's name
    with_: Overlays = None,
    as_json: Json = False,
) -> None:
    """Check an application file; every error with its place.

    Example: tocsin check examples/card-fraud/app.yaml
    """
    from models.application.errors import ApplicationErrors
    from models.application.load import load

    try:
        found = load(application, overlays=with_ or [], params=pairs(param, "--param"), inputs=pairs(input, "--input"))
    except ApplicationErrors as errors:
        if as_json:
            typer.echo(json.dumps({"ok": False, "errors": [str(error) for error in errors.errors]}))
        else:
            typer.echo(str(errors), err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps({"ok": True, "name": found.name, "warnings": list(found.warnings)}))
        return
    for warning in found.warnings:
        typer.echo(f"warning: {warning}", err=True)
    parts = (found.streams, found.tables, found.features, found.scores, found.patterns)
    names = ("streams", "tables", "features", "scores", "patterns")
    counted = ", ".join(f"{len(part)} {name}" for part, name in zip(parts, names, strict=True) if part)
    typer.echo(f"{application}: ok ({counted})")
