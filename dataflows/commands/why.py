"""``tocsin why``: what raised a flag, or what kept a pattern from raising one, in words and values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from dataflows.commands.answered import answered
from dataflows.commands.failures import UserError
from dataflows.commands.options import Inputs, Json, Overlays, Params, pairs

PLACES = (Path("out/flags.jsonl"), Path("flags.jsonl"), Path("demo/flags.jsonl"))
"""Where flags are looked for when no file is named."""
_SHOWN = 5
_COLOURS = {"critical": "red", "high": "red", "medium": "yellow", "low": "cyan", "info": "white"}
_WORDS = {
    ">": "is more than", ">=": "is at least", "<": "is less than", "<=": "is at most", "=": "equals", "<>": "differs from",
    "is null": "is null", "is not null": "is not null",
}  # fmt: skip


def why(
    what: Annotated[
        str | None, typer.Argument(help="A flag's id, or its beginning; with --pattern the application file.", show_default=False,
                                   metavar="FLAG|APPLICATION")
    ] = None,
    flags: Annotated[
        Path | None, typer.Option(help="The file that holds it; else out/flags.jsonl or flags.jsonl here.", metavar="FILE")
    ] = None,
    application: Annotated[
        Path | None, typer.Option("--application", help="Of a flag: read its key's events again, and show the conditions' trees.",
                                  metavar="FILE")
    ] = None,
    pattern: Annotated[str | None, typer.Option(help="Tell of a pattern and a --key: each attempt, what ended it.")] = None,
    key: Annotated[str | None, typer.Option(help="A key as flags write it; of several fields a JSON array.")] = None,
    at: Annotated[str | None, typer.Option(help="Only what was under way at a time.", metavar="TIME")] = None,
    most: Annotated[int, typer.Option("--most", min=1, help="Attempts to show: those that came furthest.")] = 20,
    trees: Annotated[bool, typer.Option("--trees", help="Show the whole tree of each condition.")] = False,
    ledger: Annotated[
        str | None, typer.Option(help="The responder's ledger; else ledger.db here.", metavar="URL", envvar="TOCSIN_LEDGER")
    ] = None,
    param: Params = None,
    input: Inputs = None,  # noqa: A002 - the option's name
    with_: Overlays = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Tell why a flag was raised, or why a pattern raised none for a key.

    Example: tocsin why 671aad40 --flags out/flags.jsonl

    Example: tocsin why app.yaml --pattern velocity --key c17 --at 2026-01-31T12:04:10Z
    """
    from dataflows.commands.whynot import application_at, tell, tell_trees
    from models.application.load import load

    def loaded(path: Path) -> Any:
        return load(path, overlays=with_ or [], params=pairs(param, "--param"), inputs=pairs(input, "--input"))

    if pattern is not None or key is not None:
        if pattern is None or key is None:
            raise typer.BadParameter("--pattern and --key go together", param_hint="--pattern")
        tell(loaded(application_at(Path(what) if what else application)), pattern, key, at, most, as_json=as_json, trees=trees)
        return
    if what is None:
        raise typer.BadParameter("expected a flag's id, or --pattern and --key", param_hint="FLAG")
    found = _one(what, flags, as_json=as_json)
    for event in found:
        typer.echo(json.dumps(event, indent=2) if as_json else "\n".join(explained(event)))
        if not as_json:
            for line in answered(event["id"], ledger):
                typer.echo(line)
        if application is not None and not as_json:
            tell_trees(loaded(application), event)


def _one(flag: str, flags: Path | None, *, as_json: bool) -> list[dict[str, Any]]:
    """The flag with an id, from the file that holds it; for machines all whose ids begin so."""
    path = flags or next((place for place in PLACES if place.exists()), None)
    if path is None:
        raise UserError(
            f"expected --flags FILE, the file that `tocsin run` wrote; found none of {', '.join(map(str, PLACES))} here"
        )
    found = list(_flags(path, flag))
    if not found:
        raise UserError(f"{path}: no flag whose id begins with {flag!r}; ids stand in the field id of each line")
    if len(found) > 1 and not as_json:
        shown = [f"  {event['id']}  {event['time']}  {event['data']['pattern']['title']}" for event in found[:_SHOWN]]
        more = [f"  and {len(found) - _SHOWN:,} more"] if len(found) > _SHOWN else []
        raise UserError("\n".join([f"{path}: {len(found):,} flags begin with {flag!r}; give more of the id:", *shown, *more]))
    return found


def _flags(path: Path, beginning: str) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if beginning in line:
                    event = _flag(line, f"{path}:{number}")
                    if event["id"].startswith(beginning):
                        yield event
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}; name the file that `tocsin run` wrote") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: expected flags as JSON lines; found bytes that are not UTF-8") from None


def _flag(line: str, place: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
        if event["specversion"] and event["data"]["pattern"] and event["id"]:
            return dict(event)
    except (ValueError, KeyError, TypeError):
        pass
    raise UserError(f"{place}: expected a flag as `tocsin run` writes it; found {line.strip()[:60]!r}")


def explained(flag: dict[str, Any]) -> Iterator[str]:
    """A flag as lines for people."""
    data, pattern = flag["data"], flag["data"]["pattern"]
    level = typer.style(flag["severity"].upper(), fg=_COLOURS.get(flag["severity"], "white"), bold=True)
    yield f"{level} {typer.style(pattern['name'], bold=True)}: {pattern['title']}"
    entity, _, key = flag["subject"].partition("/")
    yield f"  {entity or 'all events'} {key}".rstrip() + f" at {flag['time']}, flag {flag['id']}"
    if pattern["description"]:
        yield f"  {pattern['description']}"
    yield from _part("because", [_reason(reason) for reason in data["reasons"]])
    yield from _part("known then", list(_known(data)))
    yield from _part("steps", [f"{name}: {', '.join(map(str, ids))}" for name, ids in data["steps"].items()])
    count = data["evidence_count"]
    shown = data["evidence"]
    some = "" if len(shown) == count else f", the last {len(shown)} of them"
    yield from _part(f"seen: {count:,} event{'s' * (count > 1)}{some}", [_event(event) for event in shown])
    if data["suppressed"]:
        hits = data["suppressed"]
        yield f"  {hits:,} hit{'s' * (hits > 1)} before it {'were' if hits > 1 else 'was'} suppressed"
    if pattern["runbook"]:
        yield f"  what to do: {pattern['runbook']}"
    of = f"{data['application']['name']} version {data['application']['version']}, pattern version {pattern['version']}"
    yield f"  decided by {of}, rules {flag['ruleset']}"


def _part(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield f"  {title}"
        yield from (f"    {line}" for line in lines)


def _reason(reason: dict[str, Any]) -> str:
    """One leaf of the condition in words: ``amount > $large: 773.95 is more than 220.00``."""
    expression = " ".join(reason["expression"].split())
    words = _WORDS.get(reason["operator"])
    if words is None or reason["threshold"] is None:
        return f"{expression}: is {_value(reason['value'])}"
    holds = "" if reason["holds"] else ": no"
    return f"{expression}: {_value(reason['value'])} {words} {_value(reason['threshold'])}{holds}"


def _known(data: dict[str, Any]) -> Iterator[str]:
    yield from (f"{name} = {_value(value)}" for name, value in data["features"].items())
    yield from (f"{name} = {_value(score['value'])} ({score['model']})" for name, score in data["scores"].items())
    for join, columns in data["enrichment"].items():
        yield from (f"{join}.{name} = {_value(value)}" for name, value in columns.items())


def _event(event: dict[str, Any]) -> str:
    fields = ", ".join(f"{name} {_value(value)}" for name, value in event["fields"].items() if value is not None)
    return f"{event['time']} {event['on']} {event['id']} ({event['topic']} row {event['offset']}): {fields}"


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return value if isinstance(value, str) else f"{value:,}" if isinstance(value, int) else json.dumps(value, ensure_ascii=False)
