"""``tocsin test``: the inline tests of application files."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from dataflows.commands.options import Json


def test(
    applications: Annotated[list[Path], typer.Argument(help="Application files.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Run the inline tests of application files.

    Example: tocsin test examples/*/app.yaml
    """
    from dataflows.testing import run_tests
    from models.application.load import load

    started = time.perf_counter()
    shown: list[dict[str, object]] = []
    for path in applications:
        for result in run_tests(load(path)):
            name = f"{result.test.pattern or path.stem}: {result.test.name}"
            shown.append({"file": str(result.test.position), "name": name, "ok": result.ok, "problems": result.problems})
            if not as_json and not result.ok:
                typer.echo(f"FAIL {result.test.position} {name}")
                for problem in result.problems:
                    typer.echo(f"     {problem}")
    failed = sum(not entry["ok"] for entry in shown)
    seconds = time.perf_counter() - started
    if as_json:
        typer.echo(json.dumps({"passed": len(shown) - failed, "failed": failed, "seconds": round(seconds, 3), "tests": shown}))
    else:
        typer.echo(f"{len(shown) - failed} passed, {failed} failed in {seconds:.2f} s")
    raise typer.Exit(1 if failed else 0)


test.__test__ = False  # type: ignore[attr-defined]
