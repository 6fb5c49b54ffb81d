"""All commands, and how an error becomes one clear line and an exit code."""

from __future__ import annotations

import sys

import typer

from dataflows.commands.check import check
from dataflows.commands.demo import demo
from dataflows.commands.failures import report
from dataflows.commands.features import features
from dataflows.commands.generate import generate
from dataflows.commands.plan import plan
from dataflows.commands.run import run
from dataflows.commands.schema import schema
from dataflows.commands.test import test
from dataflows.commands.warm import warm
from dataflows.commands.why import why

app = typer.Typer(
    name="tocsin",
    help="Recognises patterns in streams of events and changes, and raises few, explained flags.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (check, plan, test, run, features, why, schema, demo):
    app.command()(command)
app.add_typer(generate, name="generate")
app.command(hidden=True)(warm)


def main() -> None:
    """Run a command; exit 0 ok, 1 the user's file or data is wrong, 2 usage, 3 an outside system failed."""
    try:
        app()
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:  # the runtime's panics are no Exceptions
        sys.exit(report(error))
