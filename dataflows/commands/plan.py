"""``tocsin plan``: the stages of an application, what each keeps, and what waits for what."""

from __future__ import annotations

import json
from typing import Any

import typer

from dataflows.commands.options import Application, Inputs, Json, Overlays, Params, pairs


def plan(
    application: Application,
    param: Params = None,
    input: Inputs = None,  # noqa: A002 - the option's name
    with_: Overlays = None,
    as_json: Json = False,
) -> None:
    """Show how an application will run.

    Example: tocsin plan examples/card-fraud/app.yaml
    """
    from dataflows.explain import explain
    from dataflows.plan import plan as compile_plan
    from models.application.load import load

    loaded = load(application, overlays=with_ or [], params=pairs(param, "--param"), inputs=pairs(input, "--input"))
    shown = explain(compile_plan(loaded))
    typer.echo(json.dumps(shown, indent=2) if as_json else _text(shown))


def _text(shown: dict[str, Any]) -> str:
    lines = [f"{shown['name']}: {len(shown['stages'])} stage(s)"]
    for source in shown["sources"]:
        lines.append(f"  read {source['name']} ({source['kind']}, {source['format']}): {', '.join(source['wanted'])}")
        lines.extend(f"    {step}" for step in source["prelude"])
    for stage in shown["stages"]:
        lines.append(f"  stage {stage['stage']} by {stage['key']}")
        lines.extend(f"    in   {lane}" for lane in stage["lanes"])
        lines.extend(f"    do   {step}" for step in stage["steps"])
    lines.extend(f"  note: {note}" for note in shown["notes"])
    return "\n".join(lines)
