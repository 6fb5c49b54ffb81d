"""``tocsin schema``: JSON Schemas of what goes in and comes out."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def schema(
    application: Annotated[bool, typer.Option("--application", help="The schema of application files, for editors.")] = False,
    flag: Annotated[bool, typer.Option("--flag", help="The schema of flags.")] = False,
) -> None:
    """Print a JSON Schema.

    Example: tocsin schema --application > tocsin.schema.json
    """
    from models.application.schema import application_schema
    from models.events.schemas import flag_schema

    if not application and not flag:
        raise typer.BadParameter("expected --application or --flag")
    typer.echo(json.dumps(application_schema() if application else flag_schema(), indent=2))
