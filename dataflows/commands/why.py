"""``tocsin why``: what raised a flag, in words and values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from dataflows.commands.options import Json


def why(
    flag: Annotated[str, typer.Argument(help="A flag's id, or its beginning.", show_default=False)],
    flags: Annotated[Path, typer.Option(help="The flags file that holds it.")],
    as_json: Json = False,
) -> None:
    """Tell why a flag was raised: its reasons, values and evidence.

    Example: tocsin why 671aad40 --flags out/flags.jsonl
    """
    from dataflows.commands.failures import UserError

    try:
        lines = flags.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UserError(f"{flags}: cannot be read: {error.strerror}. Name the file that `tocsin run` wrote") from None
    found = [event for line in lines if flag in line and (event := json.loads(line))["id"].startswith(flag)]
    if not found:
        raise UserError(f"{flags}: no flag whose id begins with {flag!r}; ids stand in the field id of each line")
    for event in found:
        typer.echo(json.dumps(event, indent=2) if as_json else "\n".join(explained(event)))


def explained(flag: dict[str, Any]) -> list[str]:
    """A flag as lines for people."""
    data = flag["data"]
    pattern = data["pattern"]
    lines = [
        f"{flag['severity'].upper()} {pattern['name']}: {pattern['title']}",
        f"  {flag['subject']} at {flag['time']}, flag {flag['id']}",
        "  because",
    ]
    for reason in data["reasons"]:
        threshold = "" if reason["threshold"] is None else f" {reason['operator']} {reason['threshold']}"
        lines.append(f"    {reason['expression']}: {reason['value']}{threshold} is {str(reason['holds']).lower()}")
    for title in ("features", "scores", "enrichment"):
        lines.extend(f"  {title}: {name} = {json.dumps(value)}" for name, value in data[title].items())
    lines.append(f"  evidence: {data['evidence_count']} event(s), {data['suppressed']} hit(s) suppressed before")
    for event in data["evidence"]:
        fields = ", ".join(f"{name}={value}" for name, value in event["fields"].items())
        lines.append(f"    {event['time']} {event['on']} {event['id']} ({event['topic']} row {event['offset']}): {fields}")
    return lines
