"""``tocsin test``: the inline tests of application files."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from dataflows.commands.options import Json, Params, pairs
from dataflows.commands.outcome import Outcome


def test(
    applications: Annotated[list[Path], typer.Argument(help="Application files.", show_default=False, metavar="APPLICATION…")],
    junit: Annotated[Path | None, typer.Option(help="Write the results as JUnit XML, for CI.", metavar="FILE")] = None,
    param: Params = None,
    as_json: Json = False,
) -> None:
    """Run the inline tests of application files.

    Example: tocsin test examples/*/app.yaml --junit tests.xml
    """
    started = time.perf_counter()
    outcomes: list[Outcome] = []
    for path in applications:
        found = list(_outcomes(path, pairs(param, "--param")))
        outcomes.extend(found)
        if not as_json:
            _tell(path, found)
    failed = sum(bool(outcome.problems) for outcome in outcomes)
    seconds = time.perf_counter() - started
    if junit is not None:
        from dataflows.commands.junit import junit_xml

        junit.parent.mkdir(parents=True, exist_ok=True)
        junit.write_bytes(junit_xml(outcomes, seconds))
    if as_json:
        typer.echo(json.dumps(_facts(outcomes, failed, seconds)))
    else:
        words = f"{len(outcomes) - failed} passed, {failed} failed in {seconds:.2f} s"
        typer.secho(words, fg="red" if failed else "green", bold=True)
    raise typer.Exit(1 if failed else 0)


def _outcomes(path: Path, params: dict[str, str]) -> Iterator[Outcome]:
    from dataflows.testing import run_tests
    from models.application.errors import ApplicationErrors
    from models.application.load import load

    try:
        application = load(path, params=params)
    except ApplicationErrors as errors:
        yield Outcome(str(path), str(path), "", "check", tuple(errors.errors), 0.0)
        return
    before = time.perf_counter()
    for result in run_tests(application):
        now = time.perf_counter()
        where = str(result.test.position)
        yield Outcome(str(path), where, result.test.pattern or path.stem, result.test.name, result.problems, now - before)
        before = now


def _tell(path: Path, found: Sequence[Outcome]) -> None:
    failed = [outcome for outcome in found if outcome.problems]
    if not found:
        typer.secho(f"{path}: no tests; write some under tests: of a pattern", fg="yellow")
    for outcome in failed:
        typer.secho(
            f"FAILED {outcome.pattern}: {outcome.name}" if outcome.pattern else f"FAILED {path}", fg="red", bold=True, nl=False
        )
        typer.echo(f"  ({outcome.place})" if outcome.pattern else "")
        for problem in outcome.problems:
            typer.echo(f"  {problem}")
    if found and not failed:
        typer.echo(f"{path}: {len(found)} passed")


def _facts(outcomes: Sequence[Outcome], failed: int, seconds: float) -> dict[str, object]:
    tests = [
        {"file": outcome.place, "name": f"{outcome.pattern}: {outcome.name}" if outcome.pattern else outcome.name,
         "ok": not outcome.problems, "problems": outcome.problems, "seconds": round(outcome.seconds, 4)}
        for outcome in outcomes
    ]  # fmt: skip
    return {"passed": len(outcomes) - failed, "failed": failed, "seconds": round(seconds, 3), "tests": tests}


test.__test__ = False  # type: ignore[attr-defined]
