"""A run that is killed at random points and goes on, again and again: each time a process of its own, forked from this one.

``python -m tests.laws.crashes APPLICATION STATE SEED KILLS SHARDS PROCESSES`` ends when a run has come to its end.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import dataflows.connectors.jsonlines as jsonlines
from dataflows.connectors import files
from dataflows.connectors.kafka import outbox
from dataflows.connectors.kafka.live import END, Live, Span
from dataflows.engine import Engine
from dataflows.planning.plan import plan
from dataflows.reading.prelude import StaticTable
from dataflows.reading.readers import file_readers, static_tables
from dataflows.running import Job, run_here, run_processes
from dataflows.runtime import part
from dataflows.runtime.source import Partition
from dataflows.runtime.stage import Logic
from dataflows.runtime.topology import reads_kafka, uses_kafka
from dataflows.runtime.workers import WorkerFailed
from models.application.load import load
from models.application.resolved.application import Application

POINTS: list[tuple[Any, str]] = [
    (Partition, "next_batch"), (Partition, "snapshot"), (part.RecordPart, "next_batch"), (part.RecordPart, "snapshot"),
    (jsonlines._Writer, "write_batch"), (jsonlines._Writer, "snapshot"), (outbox.Outbox, "send"), (outbox.Outbox, "flush"),
    (Logic, "on_batch"), (Logic, "snapshot"),
]  # fmt: skip


def job_of(application: Application, state: Path | None, shards: int) -> Job:
    """A run to the end of its input, with short epochs and small reads."""
    live = Live(lambda: time.time_ns() // 1000, lambda text: None, span=Span(end=END)) if uses_kafka(application) else None
    return Job(application, shards, lambda: "now", live=live, epoch=timedelta(milliseconds=20), state=state)


def small_reads(dice: random.Random) -> None:
    """Reads of few rows, of another size in each run."""
    files.BLOCK = dice.choice([200, 700, 3_000])
    part.ROWS = dice.choice([3, 17, 200])


def arm(after: int) -> None:
    """Kill this process at the call of one of its points that comes after so many others."""
    left = [after]
    for owner, name in POINTS:
        setattr(owner, name, _counted(getattr(owner, name), left))


def _counted(called: Callable[..., Any], left: list[int]) -> Callable[..., Any]:
    def counted(*arguments: Any) -> Any:
        before = left[0] % 2  # some calls are cut short before, some after
        left[0] -= 1
        if left[0] < 0 and before:
            os.kill(os.getpid(), signal.SIGKILL)
        found = called(*arguments)
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    return counted


def warm(application: Application, path: Path) -> None:
    """Have all kernels loaded before processes are forked from this one; topics have their rows in files beside."""
    if reads_kafka(application):
        application = load(path.with_name("files.yaml"))
    compiled = plan(application)
    tables: dict[str, StaticTable] = static_tables(compiled)
    for _ in Engine(compiled, file_readers(compiled), tables).run():
        pass


def main(path: Path, state: Path, seed: int, kills: int, shards: int, processes: int) -> int:
    """Run to the end; how often it was killed."""
    dice = random.Random(seed)
    application = load(path)
    warm(application, path)
    killed = 0
    while True:
        after = int(dice.choice([10, 60, 400]) * dice.random()) + 1
        small_reads(dice)
        worker = dice.randrange(processes) if killed < kills else -1
        os.environ["TOCSIN_KILL"] = f"{worker} {after} {dice.randrange(1000)}"
        child = os.fork()
        if child == 0:
            if killed < kills and processes == 1:
                arm(after)
            try:
                if processes == 1:
                    run_here(job_of(application, state, shards))
                else:
                    _run_processes(job_of(application, state, shards), processes, path)
            except WorkerFailed:
                os.kill(os.getpid(), signal.SIGKILL)
            except BaseException as error:
                print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0, f"failed after {killed} kills"
            return killed
        assert os.WTERMSIG(status) == signal.SIGKILL
        killed += 1


def _run_processes(job: Job, processes: int, path: Path) -> None:
    """Workers are ``tests.laws.crash_worker``, of which one is killed."""
    start = subprocess.Popen

    def popen(command: list[str], **more: Any) -> Any:
        return start(["tests.laws.crash_worker" if word == "dataflows" else word for word in command], **more)

    subprocess.Popen = popen  # type: ignore[misc, assignment]
    run_processes(job, processes, [str(path), "--shards", str(job.shards), "--state", str(job.state)])


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), Path(sys.argv[2]), *(int(text) for text in sys.argv[3:7])))
