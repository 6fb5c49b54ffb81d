"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

import typer

Application = Annotated[Path, typer.Argument(help="The application file.", show_default=False, metavar="APPLICATION")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Params = Annotated[list[str] | None, typer.Option("--param", help="Set a parameter: NAME=VALUE.", metavar="NAME=VALUE")]
Inputs = Annotated[list[str] | None, typer.Option("--input", help="Replace a source: STREAM=FILE.", metavar="STREAM=FILE")]
Overlays = Annotated[list[Path] | None, typer.Option("--with", help="Lay FILE over connections, flags and params.", metavar="FILE")]


class Given(NamedTuple):
    """What is laid over an application file: overlays, parameters and inputs, as the command line gives them."""

    overlays: list[Path] | None = None
    params: list[str] | None = None
    inputs: list[str] | None = None


def pairs(texts: list[str] | None, option: str) -> dict[str, str]:
    """``NAME=VALUE`` texts as a mapping.

    Raises:
        typer.BadParameter: for a text without ``=``.
    """
    found: dict[str, str] = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"expected NAME=VALUE; found {text!r}", param_hint=option)
        found[name] = value
    return found
