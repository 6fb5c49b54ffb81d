"""Running a plan on Bytewax: in this process, or in several over loopback."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread

from dataflows.connectors.kafka.live import Live
from dataflows.connectors.kafka.topology import Topology
from dataflows.counts import Counts
from dataflows.detect import Connectors, build
from dataflows.panics import without_panics
from dataflows.plan import plan
from dataflows.readers import all_readers, static_tables
from dataflows.sinks import Sinks
from models.application.resolved import Application

EPOCH = timedelta(seconds=1)
"""How often everything before a moment counts as done."""


class WorkerFailed(Exception):
    """A worker process ended in an error; its own message says why."""


Counting = Callable[[], Counts]
"""Tells how far a run is."""
Watch = Callable[[Counting], None]
"""Is told, before a run begins, how to ask how far it is."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to run: an application, its number of virtual shards, the clock for ``recordedtime``, and who watches.

    ``live``: what Kafka needs; ``epoch``: how often everything before a moment counts as done.
    """

    application: Application
    shards: int
    now: Callable[[], str]
    watch: Watch | None = None
    live: Live | None = None
    epoch: timedelta = EPOCH


def run_here(job: Job) -> Counts:
    """Run to the end of the input in this process."""
    with tempfile.TemporaryDirectory(prefix="tocsin-") as folder:
        sinks = Sinks(job.application, job.now, Path(folder), job.live)
        if job.watch is not None:
            job.watch(lambda: sinks.counts)
        _flow(job, sinks, None)
        sinks.finish()
    return sinks.counts


def run_processes(job: Job, processes: int, arguments: list[str]) -> Counts:
    """Run in several processes; ``arguments`` make a worker of the same command."""
    addresses = ";".join(f"127.0.0.1:{port}" for port in _free_ports(processes))
    with tempfile.TemporaryDirectory(prefix="tocsin-") as folder:
        workers = [_start(arguments, number, addresses, Path(folder), job) for number in range(processes)]
        try:
            if job.watch is not None:
                job.watch(lambda: _counts_in(Path(folder)))
            codes = [_ended(worker, workers, job) for worker in workers]
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
        if any(codes):
            raise WorkerFailed(_first_error(Path(folder), processes))
        Sinks(job.application, job.now, Path(folder), job.live).finish()
        return _counts_in(Path(folder))


def run_worker(job: Job, worker: str) -> None:
    """Be one worker process; ``worker`` is its number, all addresses, and the folder for what it has to say."""
    number, addresses, folder = worker.split("|")
    sinks = Sinks(job.application, job.now, Path(folder), job.live)
    path = Path(folder) / f"{number}.json"
    with _telling(sinks.counts, path):
        _flow(job, sinks, (addresses.split(";"), int(number)))
    _tell(sinks.counts, path)


@contextmanager
def _telling(counts: Counts, path: Path) -> Iterator[None]:
    """Write a worker's counts every half second, for the progress bar."""
    done = Event()

    def tell() -> None:
        while not done.wait(0.5):
            _tell(counts, path)

    thread = Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _tell(counts: Counts, path: Path) -> None:
    whole = path.with_suffix(".part")
    whole.write_text(json.dumps(counts.as_dict()))
    whole.replace(path)


def _counts_in(folder: Path) -> Counts:
    counts = Counts()
    for path in sorted(folder.glob("*.json")):
        counts.add(json.loads(path.read_text()))
    return counts


def _flow(job: Job, sinks: Sinks, cluster: tuple[list[str], int] | None) -> None:
    os.environ["RUST_BACKTRACE"] = "0"
    from bytewax._bytewax import cluster_main, run_main  # the only entries that take an epoch's length

    compiled = plan(job.application)
    topology = None if job.live is None else Topology(job.application, job.live)
    if topology is not None:
        if not topology.ask():
            return
        if cluster is None or cluster[1] == 0:
            sinks.begin()
    readers = all_readers(compiled, topology.places if topology is not None else lambda input_: [])
    parts = {} if topology is None else topology.parts(readers)
    draining = job.live.draining if job.live is not None else lambda: False
    flow = build(compiled, Connectors(readers, static_tables(compiled), sinks, parts, draining), job.shards)
    try:
        with without_panics():
            if cluster is None:
                run_main(flow, epoch_interval=job.epoch)  # type: ignore[no-untyped-call]
            else:
                cluster_main(flow, *cluster, epoch_interval=job.epoch, worker_count_per_proc=1)  # type: ignore[no-untyped-call]
    except Exception as error:
        raise (_cause(error) or error) from None
    finally:
        if topology is not None:
            topology.close()


def _cause(error: BaseException) -> BaseException | None:
    """What really went wrong, under Bytewax's wrapping."""
    from bytewax.errors import BytewaxRuntimeError

    while isinstance(error, BytewaxRuntimeError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _ended(worker: subprocess.Popen[bytes], all_: list[subprocess.Popen[bytes]], job: Job) -> int:
    """A worker's exit code once it has ended; all are told when the run is to stop."""
    while True:
        try:
            return worker.wait(0.2)
        except subprocess.TimeoutExpired:
            if job.live is not None and job.live.draining():
                for each in all_:
                    each.terminate()
                return worker.wait()


def _start(arguments: list[str], number: int, addresses: str, folder: Path, job: Job) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "dataflows", "run", *arguments, "--worker", f"{number}|{addresses}|{folder}"]
    with (folder / f"{number}.err").open("wb") as errors:
        # A live run without a sink writes its flags to standard output as they come; others have nothing to say there.
        shown = None if job.live is not None and job.live.endless else subprocess.DEVNULL
        return subprocess.Popen(command, stdout=shown, stderr=errors)


def _first_error(folder: Path, processes: int) -> str:
    """The message of the worker that failed on its own: the others only lost their peer."""
    texts = [(folder / f"{number}.err").read_text(errors="replace").strip() for number in range(processes)]
    own = [text for text in texts if text and "another worker process ended first" not in text]
    return (own or [text for text in texts if text] or ["a worker process ended without a message"])[0]


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
