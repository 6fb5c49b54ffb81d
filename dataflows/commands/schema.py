"""``tocsin schema``: JSON Schemas of what goes in and comes out."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def schema(
    application: Annotated[bool, typer.Option("--application", help="Of application files, for editors.")] = False,
    flag: Annotated[bool, typer.Option("--flag", help="Of flags.")] = False,
    late: Annotated[bool, typer.Option("--late", help="Of late events.")] = False,
    dead_letter: Annotated[bool, typer.Option("--dead-letter", help="Of dead letters.")] = False,
    decision: Annotated[bool, typer.Option("--decision", help="Of decisions.")] = False,
) -> None:
    """Print a JSON Schema, made from the models that the program itself uses.

    Example: tocsin schema --application > tocsin.schema.json
    """
    if sum((application, flag, late, dead_letter, decision)) != 1:
        raise typer.BadParameter("expected one of --application, --flag, --late, --dead-letter and --decision")
    typer.echo(json.dumps(_schema(application, flag, late, decision), indent=2))


def _schema(application: bool, flag: bool, late: bool, decision: bool) -> dict[str, object]:
    if application:
        from models.application.schema import application_schema

        return application_schema()
    from models.events.decision import DecisionEvent
    from models.events.schemas import DeadLetter, Flag, LateEvent, schema_of

    if decision:
        return schema_of(DecisionEvent)
    return schema_of(Flag if flag else LateEvent if late else DeadLetter)
