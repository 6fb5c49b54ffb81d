"""``tocsin run``: streams in, flags out, until the input ends."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflows.commands.listening import Listen
from dataflows.commands.options import Application, Inputs, Json, Overlays, Params, pairs
from dataflows.commands.stop import DEADLINE, Deadline

if TYPE_CHECKING:
    from dataflows.running import Job


def run(
    application: Application,
    processes: Annotated[int, typer.Option(min=1, max=64, help="Worker processes over loopback.")] = 1,
    shards: Annotated[int, typer.Option(min=1, max=4096, help="Virtual shards; more than processes.")] = 16,
    param: Params = None,
    input: Inputs = None,  # noqa: A002 - the option's name
    with_: Overlays = None,
    from_: Annotated[str | None, typer.Option("--from", help="Topics: begin at a time instead of the first offsets.")] = None,
    to: Annotated[str | None, typer.Option(help="Topics: stop at a time, or at the end.", metavar="TIME|end")] = None,
    state: Annotated[
        Path | None, typer.Option(envvar="TOCSIN_STATE", help="Save state here, and go on from what is saved.", metavar="DIR")
    ] = None,
    listen: Listen = None,
    drain_deadline: Deadline = DEADLINE,
    strict: Annotated[bool, typer.Option("--strict", help="A key in two partitions against partitioned_by is an error.")] = False,
    as_json: Json = False,
    worker: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run an application over its inputs: files to their end, topics until it is stopped.

    Example: tocsin run examples/card-fraud/app.yaml --input payments=payments.jsonl
    """
    from dataflows.commands.failures import UserError
    from dataflows.commands.listening import listening
    from dataflows.commands.live import live_of, say
    from dataflows.commands.stop import Stop
    from dataflows.running import Job, run_worker
    from models.application.load import load, without_source

    loaded = load(application, overlays=with_ or [], params=pairs(param, "--param"), inputs=pairs(input, "--input"))
    if refused := without_source(loaded):
        raise UserError("\n".join(refused))
    if processes > shards:
        raise UserError(f"expected at least as many shards as processes; found --shards {shards} and --processes {processes}")
    stop = Stop(drain_deadline)
    live = live_of(loaded, from_, to, stop.asked)
    job = Job(loaded, shards, now, live=live, state=state, draining=stop.asked, clock=time.time, strict=strict)
    number = int(worker.partition("|")[0]) if worker is not None else 0
    stopping = stop.listening() if job.stoppable else nullcontext()
    with stopping, listening(loaded, listen, number, say) as observe:
        job = replace(job, observe=observe)
        if worker is not None:
            run_worker(job, worker)
            return
        arguments = [str(application), "--shards", str(shards), f"--drain-deadline={drain_deadline:g}"]
        arguments += [f"--param={text}" for text in param or []] + [f"--input={text}" for text in input or []]
        arguments += [f"--with={path}" for path in with_ or []]
        given = {"--from": from_, "--to": to, "--state": state, "--listen": listen}
        arguments += [f"{name}={value}" for name, value in given.items() if value] + ["--strict"] * strict
        _run(job, processes, arguments, as_json=as_json)


def _run(job: Job, processes: int, arguments: list[str], *, as_json: bool) -> None:
    from dataflows.commands.progress import watched
    from dataflows.commands.summary import summary
    from dataflows.running import run_here, run_processes

    started = time.perf_counter()
    with watched(job.application, job.application.name) as watch:
        job = replace(job, watch=watch)
        counts = run_here(job) if processes == 1 else run_processes(job, processes, arguments)
    summary(job.application, counts, time.perf_counter() - started, as_json=as_json)


def now() -> str:
    """The wall-clock time as RFC 3339, for ``recordedtime``."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
