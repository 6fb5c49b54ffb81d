"""``tocsin check``: everything that is wrong with an application file, at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from dataflows.commands.options import Application, Inputs, Json, Overlays, Params, pairs

if TYPE_CHECKING:
    from models.application.errors import Problem


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
            typer.echo(json.dumps({"ok": False, "errors": [_facts(problem) for problem in errors.problems], "warnings": []}))
        else:
            for problem in errors.problems:
                typer.echo(_shown(problem), err=True)
            count = len(errors.problems)
            typer.secho(f"{count} error{'s' * (count > 1)}", fg="red", bold=True, err=True)
        raise typer.Exit(1) from None
    if as_json:
        facts = {"ok": True, "name": found.name, "version": found.version, "errors": [], "warnings": list(found.warnings)}
        typer.echo(json.dumps({**facts, "tests": len(found.tests)}))
        return
    for warning in found.warnings:
        typer.echo(f"{typer.style('warning', fg='yellow', bold=True)} {warning}", err=True)
    parts = {"stream": found.streams, "table": found.tables, "feature": found.features, "score": found.scores,
             "pattern": found.patterns, "test": found.tests}  # fmt: skip
    counted = ", ".join(f"{len(part)} {name}{'s' * (len(part) > 1)}" for name, part in parts.items() if part)
    typer.echo(f"{application}: {typer.style('ok', fg='green', bold=True)} ({counted})")


def _shown(problem: Problem) -> str:
    position, message = problem
    return message if position is None else f"{typer.style(str(position), bold=True)}: {message}"


def _facts(problem: Problem) -> dict[str, object]:
    position, message = problem
    if position is None:
        return {"file": None, "line": None, "column": None, "message": message}
    return {"file": position.file, "line": position.line, "column": position.column, "message": message}
