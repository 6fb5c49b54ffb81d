"""``tocsin doctor``: what a run would miss, before it begins."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflows.commands.failures import WRONG_INPUT
from dataflows.commands.options import Application, Inputs, Json, Overlays, Params, pairs

if TYPE_CHECKING:
    from dataflows.doctor.findings import Finding, Level

_SIGNS: dict[Level, tuple[str, str]] = {"ok": ("ok", "green"), "warning": ("warning", "yellow"), "fault": ("fault", "red")}


def doctor(
    application: Application,
    state: Annotated[
        Path | None, typer.Option(envvar="TOCSIN_STATE", help="The state directory of the run.", metavar="DIR")
    ] = None,
    shards: Annotated[int, typer.Option(min=1, max=4096, help="Virtual shards of the run.")] = 16,
    param: Params = None,
    input: Inputs = None,  # noqa: A002 - the option's name
    with_: Overlays = None,
    as_json: Json = False,
) -> None:
    """Check everything that a run needs, from kernels to clocks; each fault with its cure. Exit code 1 where there is a fault.

    Example: tocsin doctor app.yaml --state state
    """
    from dataflows.commands.brokers import patient
    from dataflows.doctor.examine import Case, examine
    from models.application.load import load

    params, inputs = pairs(param, "--param"), pairs(input, "--input")
    case = Case(lambda: load(application, overlays=with_ or [], params=params, inputs=inputs), patient, state, shards)
    found = []
    for finding in examine(case):
        found.append(finding)
        if not as_json:
            _show(finding)
    counts = Counter(finding.level for finding in found)
    if as_json:
        typer.echo(json.dumps({"ok": not counts["fault"], "findings": [asdict(finding) for finding in found]}))
    else:
        typer.secho(f"{counts['fault']} fault(s), {counts['warning']} warning(s)", bold=True)
    if counts["fault"]:
        raise typer.Exit(WRONG_INPUT)


def _show(finding: Finding) -> None:
    word, color = _SIGNS[finding.level]
    typer.echo(f"{typer.style(f'{word:<7}', fg=color, bold=True)}  {typer.style(finding.about, bold=True)}: {finding.text}")
    if finding.cure:
        typer.echo(f"         → {finding.cure}")
