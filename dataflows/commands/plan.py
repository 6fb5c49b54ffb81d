"""``tocsin plan``: the stages of an application, what each keeps, and what waits for what."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflows.commands.options import Application, Inputs, Json, Overlays, Params, pairs

if TYPE_CHECKING:
    from dataflows.planning.steps import Plan


class Format(StrEnum):
    """Forms of a drawing."""

    MERMAID = "mermaid"
    SVG = "svg"


def plan(
    application: Application,
    param: Params = None,
    input: Inputs = None,  # noqa: A002 - the option's name
    with_: Overlays = None,
    draw: Annotated[bool, typer.Option("--draw", help="Draw the plan and every pattern.")] = False,
    format: Annotated[Format, typer.Option(help="Of a drawing.")] = Format.MERMAID,  # noqa: A002 - the option's name
    out: Annotated[Path | None, typer.Option(help="Write the drawing here.", metavar="FILE")] = None,
    as_json: Json = False,
) -> None:
    """Show how an application will run: what is read, done by which key, remembered and waited for.

    Example: tocsin plan examples/card-fraud/app.yaml

    Example: tocsin plan examples/card-fraud/app.yaml --draw --format svg --out plan.svg
    """
    from dataflows.planning.explain import explain
    from dataflows.planning.plan import plan as compile_plan
    from models.application.load import load

    loaded = load(application, overlays=with_ or [], params=pairs(param, "--param"), inputs=pairs(input, "--input"))
    if draw:
        _draw(compile_plan(loaded), format, out)
        return
    shown = explain(compile_plan(loaded))
    if as_json:
        typer.echo(json.dumps(shown, indent=2))
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in _lines(shown):
        typer.echo(line if width is None else _fitted(line, width))


def _draw(compiled: Plan, form: Format, out: Path | None) -> None:
    from dataflows.planning.drawing.figures import figures
    from dataflows.planning.drawing.mermaid import mermaid
    from dataflows.planning.drawing.svg import svg

    drawn = mermaid(figures(compiled)) if form is Format.MERMAID else svg(figures(compiled))
    if out is None:
        typer.echo(drawn, nl=False)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(drawn, encoding="utf-8")


def _lines(shown: dict[str, Any]) -> Iterator[str]:
    counts = f"{len(shown['sources'])} source(s), {len(shown['stages'])} stage(s)"
    yield typer.style(f"{shown['name']}: {counts}", bold=True)
    for source in shown["sources"]:
        yield ""
        yield _head(
            f"read {source['kind']} {source['name']}", f"{source['format']}, lateness {source['lateness']}, {_near(source['from'])}"
        )
        if source.get("where"):
            yield _row("where", source["where"])
        if source.get("dedup"):
            yield _row("dedup", f"a repeated id within {source['dedup']} is dropped")
        yield _row("keeps", ", ".join(source["wanted"]) or "nothing")
        yield from (_row("do", step) for step in source["prelude"])
    for table in shown["static"]:
        yield ""
        yield _head(f"read file {table['name']}", f"{table['format']}, whole, by {', '.join(table['key'])}, {_near(table['from'])}")
    for stage in shown["stages"]:
        yield ""
        yield from _stage(stage)
    if shown["notes"]:
        yield ""
    yield from (typer.style("note ", fg="yellow") + note for note in shown["notes"])


def _stage(stage: dict[str, Any]) -> Iterator[str]:
    yield _head(f"stage {stage['stage']}", f"by {stage['key']}")
    for lane in stage["lanes"]:
        by = f" by {', '.join(lane['by'])}" if lane["by"] else ""
        yield _row("in", f"{lane['kind']} {lane['source']}{by}: {', '.join(lane['carries']) or 'its order alone'}")
    yield from (_row("do", step) for step in stage["steps"])
    for part in stage["state"]:
        yield _row("keep", f"a key: {part['keeps']}, until {part['until']} ({part['for']})")
    if not stage["state"]:
        yield _row("keep", "nothing")
    waits = stage["waits"]
    if stage["by_partition"]:
        among = f" among {', '.join(waits['for'])}" if len(waits["for"]) > 1 else ""
        yield _row("wait", f"within its own partition alone{among}: nothing is exchanged; lateness at most {waits['longest']}")
        if among:
            yield _row("", "where their partition counts are equal; else as without partitioned_by")
    elif waits["longest"] == "0s" and len(waits["for"]) == 1:
        yield _row("wait", "for nothing: one source, in order")
    else:
        yield _row("wait", f"until {', '.join(waits['for'])} have passed a row's time; lateness at most {waits['longest']}")


def _head(what: str, more: str) -> str:
    return f"{typer.style(what, fg='cyan', bold=True)}  {more}"


def _near(path: str) -> str:
    """A path as seen from here, where that is shorter."""
    return path.replace(f"{Path.cwd()}/", "")


def _row(what: str, text: str) -> str:
    return f"  {what:<6}{text}"


def _fitted(line: str, width: int) -> str:
    return "\n".join(textwrap.wrap(line, width, subsequent_indent=" " * 8, break_long_words=False)) or line
