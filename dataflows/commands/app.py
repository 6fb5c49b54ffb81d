"""All commands, and how an error becomes one clear line and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from dataflows.commands.audit import audit
from dataflows.commands.check import check
from dataflows.commands.dead import dead
from dataflows.commands.deliveries import deliveries
from dataflows.commands.demo import demo
from dataflows.commands.doctor import doctor
from dataflows.commands.erase import erase
from dataflows.commands.failures import INTERRUPTED, report
from dataflows.commands.features import features
from dataflows.commands.flags import flags
from dataflows.commands.generate import generate
from dataflows.commands.init import init
from dataflows.commands.match import match
from dataflows.commands.plan import plan
from dataflows.commands.respond import respond
from dataflows.commands.run import run
from dataflows.commands.schema import schema
from dataflows.commands.silence import silence
from dataflows.commands.status import status
from dataflows.commands.test import test
from dataflows.commands.topics import topics
from dataflows.commands.warm import warm
from dataflows.commands.why import why

app = typer.Typer(
    name="tocsin",
    help="Recognises patterns in streams of events and changes, and raises few, explained flags.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for each in (init, check, plan, test, doctor, run, respond, topics, status, match, features, why, erase, schema, demo):
    app.command()(each)
app.add_typer(generate, name="generate")
app.add_typer(flags, name="flags")
app.add_typer(dead, name="dead")
app.add_typer(deliveries, name="deliveries")
app.add_typer(silence, name="silence")
app.add_typer(audit, name="audit")
app.command(hidden=True)(warm)


def main() -> None:
    """Run the command that the process was started with."""
    sys.exit(command(sys.argv[1:]))


def command(arguments: Sequence[str]) -> int:
    """Run a command; 0 ok, 1 the user's file or data is wrong, 2 usage, 3 an outside system failed, 130 interrupted."""
    try:
        app(arguments, prog_name="tocsin")
    except SystemExit as error:
        return _told(error.code if isinstance(error.code, int) else int(error.code is not None))
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - whoever read has gone; the interpreter flushes this instead
        return 0
    except KeyboardInterrupt:
        return _told(INTERRUPTED)
    except BaseException as error:  # the runtime's panics are no Exceptions
        return report(error)
    return 0


def _told(code: int) -> int:
    if code == INTERRUPTED:
        print("interrupted", file=sys.stderr)
    return code
