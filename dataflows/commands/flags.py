"""``tocsin flags``: the flags of a run, from its file or its topic."""

from __future__ import annotations

import json
from collections.abc import Iterator
from heapq import nlargest
from pathlib import Path
from typing import Annotated, Any

import typer

from dataflows.commands.events import events_at, place_of
from dataflows.commands.failures import UserError
from dataflows.commands.options import Given, Inputs, Json, Overlays, Params

flags = typer.Typer(help="Look at flags in a file or on a topic.", no_args_is_help=True)
Place = Annotated[
    Path, typer.Argument(help="An application, or a file of flags.", show_default=False, metavar="APPLICATION|FILE")
]
Pattern = Annotated[str | None, typer.Option(help="Only flags of this pattern.", metavar="NAME")]
Key = Annotated[str | None, typer.Option(help="Only flags about this key.", metavar="KEY")]


@flags.callback()
def _group() -> None:
    """Look at flags in a file or on a topic."""


@flags.command()
def tail(
    place: Place,
    count: Annotated[int, typer.Option("-n", "--count", min=0, help="How many flags before the end.")] = 10,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as flags come, until Ctrl-C; topics only.")] = False,
    pattern: Pattern = None, key: Key = None,
    param: Params = None, input: Inputs = None, with_: Overlays = None, as_json: Json = False,  # noqa: A002 - the option's name
) -> None:  # fmt: skip
    """Show the last flags, one a line, in the order of their times.

    Example: tocsin flags tail app.yaml --count 5
    """
    found = place_of(place, Given(with_, param, input), "to")
    narrow = pattern is not None or key is not None
    wanted = _wanted(events_at(found, None if narrow else count), pattern, key)
    for event in reversed(nlargest(count, wanted, key=lambda event: (event["time"], event["id"]))):
        _print(event, as_json=as_json)
    if follow:
        from dataflows.commands.live import endless
        from dataflows.commands.stop import Stop

        stop = Stop()
        with stop.listening():
            for event in _wanted(events_at(found, 0, endless(stop.asked)), pattern, key):
                _print(event, as_json=as_json)


@flags.command()
def show(
    place: Place,
    flag: Annotated[str, typer.Argument(help="A flag's id, or its beginning.", show_default=False, metavar="FLAG")],
    param: Params = None, input: Inputs = None, with_: Overlays = None, as_json: Json = False,  # noqa: A002 - the option's name
) -> None:  # fmt: skip
    """Show one flag with its reasons, values and evidence.

    Example: tocsin flags show app.yaml 671aad40
    """
    from dataflows.commands.why import explained

    events = events_at(place_of(place, Given(with_, param, input), "to"))
    found = {event["id"]: event for event in events if event["id"].startswith(flag)}
    if not found:
        raise UserError(f"{place}: no flag whose id begins with {flag!r}; `tocsin flags tail` shows ids")
    if len(found) > 1:
        problem = f"{place}: {len(found):,} flags begin with {flag!r}; give more of the id:"
        raise UserError("\n".join([problem, *sorted(found)[:10]]))
    event = next(iter(found.values()))
    typer.echo(json.dumps(event, indent=2) if as_json else "\n".join(explained(event)))


def _wanted(events: Iterator[dict[str, Any]], pattern: str | None, key: str | None) -> Iterator[dict[str, Any]]:
    for event in events:
        if (pattern is None or event["data"].get("pattern", {}).get("name") == pattern) and (
            key is None or event.get("partitionkey") == key
        ):
            yield event


def _print(event: dict[str, Any], *, as_json: bool) -> None:
    typer.echo(json.dumps(event) if as_json else line(event))


def line(event: dict[str, Any]) -> str:
    """A flag on one line: when, how grave, which pattern, about whom, in words, and the beginning of its id."""
    pattern = event["data"].get("pattern", {})
    moment = event["time"][:19].replace("T", " ")
    words = (pattern.get("name", ""), event.get("subject", ""), pattern.get("title") or "", event["id"][:8])
    return f"{moment}  {event.get('severity', ''):<8}  " + "  ".join(words)
