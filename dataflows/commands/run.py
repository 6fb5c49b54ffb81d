"""``tocsin run``: streams in, flags out, until the input ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflows.commands.listening import Listen
from dataflows.commands.logs import Formats, Levels, LogFormat, LogLevel
from dataflows.commands.options import Application, Inputs, Json, Overlays, Params, pairs
from dataflows.commands.stop import DEADLINE, Deadline

if TYPE_CHECKING:
    from dataflows.commands.logs import Log
    from dataflows.monitoring.counts import Counts
    from dataflows.monitoring.observed import Observed
    from dataflows.running import Job


def run(
    application: Application,
    processes: Annotated[int, typer.Option(min=1, max=64, help="Worker processes over loopback.")] = 1,
    shards: Annotated[int, typer.Option(min=1, max=4096, help="Virtual shards; more than processes.")] = 16,
    param: Params = None,
    input: Inputs = None,  # noqa: A002 - the option's name
    with_: Overlays = None,
    from_: Annotated[
        str | None, typer.Option("--from", envvar="TOCSIN_FROM", help="Topics: begin at a time instead of the first offsets.")
    ] = None,
    to: Annotated[str | None, typer.Option(help="Topics: stop at a time, or at the end.", metavar="TIME|end")] = None,
    state: Annotated[
        Path | None, typer.Option(envvar="TOCSIN_STATE", help="Save state here, and go on from what is saved.", metavar="DIR")
    ] = None,
    listen: Listen = None,
    drain_deadline: Deadline = DEADLINE,
    strict: Annotated[bool, typer.Option("--strict", help="A key in two partitions against partitioned_by is an error.")] = False,
    log_level: Levels = LogLevel.INFO,
    log_format: Formats = None,
    as_json: Json = False,
    worker: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run an application over its inputs: files to their end, topics until it is stopped.

    Example: tocsin run examples/card-fraud/app.yaml --input payments=payments.jsonl
    """
    from dataflows.commands.failures import UserError
    from dataflows.commands.live import live_of
    from dataflows.commands.logs import log_of
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
    log = log_of(log_format, log_level, worker, live=live is not None and live.endless)
    live = None if live is None else replace(live, say=log.say, note=log.say)
    stop.words = log.last_words
    job = Job(loaded, shards, now, live=live, state=state, draining=stop.asked, clock=time.time, strict=strict, say=log.say)
    arguments = [str(application), "--shards", str(shards), f"--log-level={log_level}", f"--log-format={log.form}"]
    arguments += [f"--drain-deadline={drain_deadline:g}"]
    arguments += [f"--param={text}" for text in param or []] + [f"--input={text}" for text in input or []]
    arguments += [f"--with={path}" for path in with_ or []]
    given = {"--from": from_, "--to": to, "--state": state, "--listen": listen}
    arguments += [f"{name}={value}" for name, value in given.items() if value] + ["--strict"] * strict
    with log.fatal() if worker is None else log.of_worker():
        with stop.listening() if job.stoppable else nullcontext(), _told(job, log, listen, worker) as observe:
            job = replace(job, observe=observe)
            if worker is not None:
                run_worker(job, worker)
                return
            counts, seconds = _run(job, processes, arguments, log)
        _finish(job, counts, seconds, log, as_json=as_json)


@contextmanager
def _told(job: Job, log: Log, listen: str | None, worker: str | None) -> Iterator[Callable[[Observed], None]]:
    """While the run lasts, whoever asks or reads its log is told of it; yields what is told what the run observes."""
    from dataflows.commands.listening import listening
    from dataflows.commands.watching import watching

    number = int(worker.partition("|")[0]) if worker is not None else 0
    watched = (job.live is not None and job.live.endless) or log.form == LogFormat.JSON
    stops = job.stopping if worker is None else lambda: False
    looking = watching(log.say, stops) if watched else nullcontext(lambda observed: None)
    with log.libraries(), listening(job.application, listen, number, log.say) as answer, looking as look:

        def observe(observed: Observed) -> None:
            answer(observed)
            look(observed)

        yield observe


def _run(job: Job, processes: int, arguments: list[str], log: Log) -> tuple[Counts, float]:
    """Run to the end; what it counted, and how many seconds it took."""
    from dataflows.commands.progress import watched
    from dataflows.commands.summary import begun
    from dataflows.running import run_here, run_processes

    started = time.perf_counter()
    if log.form == LogFormat.JSON or (job.live is not None and job.live.endless):
        log.say(begun(job, processes))
    with watched(job.application, job.application.name) as watch:
        job = replace(job, watch=watch)
        counts = run_here(job) if processes == 1 else run_processes(job, processes, arguments)
    return counts, time.perf_counter() - started


def _finish(job: Job, counts: Counts, seconds: float, log: Log, *, as_json: bool) -> None:
    from dataflows.commands.summary import ended, summary

    if log.form == LogFormat.JSON:
        log.say(ended(job, counts, seconds))
    if as_json or log.form == LogFormat.CONSOLE:
        summary(job.application, counts, seconds, as_json=as_json)


def now() -> str:
    """The wall-clock time as RFC 3339, for ``recordedtime``."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
