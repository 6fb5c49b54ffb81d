"""Running a plan on Bytewax: in this process, or in several over loopback."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread

from dataflows.connectors.kafka.live import Live
from dataflows.detect import Connectors, build
from dataflows.monitoring.counts import Counts
from dataflows.monitoring.observed import Observed
from dataflows.planning.plan import plan
from dataflows.reading.reader import Reader
from dataflows.reading.readers import all_readers, static_tables
from dataflows.runtime.panics import without_panics
from dataflows.runtime.sinks import Sinks
from dataflows.runtime.source import Keeping, file_name
from dataflows.runtime.topology import Topology
from dataflows.runtime.workers import all_ended, failure_of
from dataflows.stages.settling import settling_of, whole_from
from dataflows.state.directory import StateDirectory, StateProblem, broken_state, opened, recovery_of
from dataflows.state.moved import keys_moved
from dataflows.state.resumed import Resumed
from dataflows.state.saved import saved_parts
from models.application.resolved.application import Application

EPOCH = timedelta(seconds=1)
"""How often everything before a moment counts as done."""


_RESUMED, _COUNTS = "resumed.json", ".counts.json"
_ORPHAN = 3


class NothingLeft(Exception):
    """A run whose state says that it has read all of its input."""

    code = 0

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path}: the saved run has read all of its input: nothing is left to do. Use another --state to run anew")


Counting = Callable[[], Counts]
"""Tells how far a run is."""
Watch = Callable[[Counting], None]
"""Is told, before a run begins, how to ask how far it is."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to run: an application, its number of virtual shards, the clock for ``recordedtime``, and who watches.

    ``live``: what Kafka needs; ``epoch``: how often everything before a moment counts as done; ``state``: the directory where that
    is saved, None where nothing is; ``draining`` turns true when the run is to stop as it stands; ``clock``: seconds since 1970 for
    metrics, and ``observe`` is told what they are read off; ``strict``: a key in two partitions against ``partitioned_by`` is an
    error; ``say`` tells the user.
    """

    application: Application
    shards: int
    now: Callable[[], str]
    watch: Watch | None = None
    live: Live | None = None
    epoch: timedelta = EPOCH
    state: Path | None = None
    draining: Callable[[], bool] = lambda: False
    clock: Callable[[], float] = lambda: 0.0
    observe: Callable[[Observed], None] = lambda observed: None
    strict: bool = False
    say: Callable[[str], None] = lambda message: None

    @property
    def stoppable(self) -> bool:
        """Whether it can stop as it stands: a run over files that saves no state has nothing to stop for, and is interrupted."""
        return self.live is not None or self.state is not None

    def stopping(self) -> bool:
        """Whether the run is to stop as it stands."""
        return self.draining() or (self.live is not None and self.live.draining())


def run_here(job: Job) -> Counts:
    """Run in this process to the end of the input, or until it is to stop.

    Raises:
        StateProblem: when the state directory cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="tocsin-") as folder, _opened(job) as state:
        sinks = _sinks(job, Path(folder))
        if state is not None and state.ended:
            raise NothingLeft(state.path)
        if job.watch is not None:
            job.watch(lambda: sinks.counts)
        _flow(job, sinks, _resumed(job, state), None)
        _finish(job, sinks, state)
    return sinks.counts


def run_processes(job: Job, processes: int, arguments: list[str]) -> Counts:
    """Run in several processes; ``arguments`` make a worker of the same command.

    Raises:
        StateProblem: when the state directory cannot be used.
        WorkerFailed: when a worker process fails.
    """
    addresses = ";".join(f"127.0.0.1:{port}" for port in _free_ports(processes))
    with tempfile.TemporaryDirectory(prefix="tocsin-") as name, _opened(job) as state:
        folder = Path(name)
        if state is not None and state.ended:
            raise NothingLeft(state.path)
        _resumed(job, state).write(folder / _RESUMED)
        locks = () if state is None else (state.lock,)
        workers = _started(processes, arguments, addresses, folder, job, locks)
        try:
            if job.watch is not None:
                job.watch(lambda: _counts_in(folder))
            codes = all_ended(workers, job.stopping)
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
        if any(codes):
            raise failure_of(codes, folder)
        _finish(job, _sinks(job, folder), state)
        return _counts_in(folder)


def run_worker(job: Job, worker: str) -> None:
    """Be one worker process; ``worker`` is its number, all addresses, and the folder for what it has to say."""
    number, addresses, name, _ = worker.split("|")
    folder = Path(name)
    Thread(target=_end_with_parent, daemon=True).start()
    sinks = _sinks(job, folder)
    path = folder / f"{number}{_COUNTS}"
    with _telling(sinks.counts, path):
        _flow(job, sinks, Resumed.read(folder / _RESUMED), (addresses.split(";"), int(number)))
    _tell(sinks.counts, path)


def _end_with_parent() -> None:
    """Whoever started this worker holds the other end of its standard input: once that is gone, so is the run."""
    while os.read(0, 1):
        pass
    os._exit(_ORPHAN)


def _opened(job: Job) -> AbstractContextManager[StateDirectory | None]:
    return nullcontext() if job.state is None else opened(job.state, job.application, job.shards, _begin(job))


def _sinks(job: Job, folder: Path) -> Sinks:
    kept, folder = job.state is not None, folder if job.state is None else job.state
    return Sinks(job.application, job.now, folder, job.live, job.clock, kept=kept, strict=job.strict)


def _begin(job: Job) -> int | None:
    return None if job.live is None else job.live.span.begin


def _resumed(job: Job, state: StateDirectory | None) -> Resumed:
    if state is None or not state.resumed:
        return Resumed(begin=_begin(job))
    try:
        found = Resumed(saved_parts(state.recovery), state.begin)
    except ValueError as error:
        raise StateProblem(f"{state.path}: cannot be read: {error}. Start with another --state directory") from None
    job.say(found.told(state.path))
    return found


def _finish(job: Job, sinks: Sinks, state: StateDirectory | None) -> None:
    ended = not job.stopping()
    sinks.finish(ended=ended)
    if ended and state is not None:
        state.end()
        sinks.forget()


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
    for path in sorted(folder.glob(f"*{_COUNTS}")):
        counts.add(json.loads(path.read_text()))
    return counts


def _flow(job: Job, sinks: Sinks, resumed: Resumed, cluster: tuple[list[str], int] | None) -> None:
    from bytewax._bytewax import cluster_main, run_main  # the only entries that take an epoch's length
    from bytewax.recovery import RecoveryConfig

    compiled = plan(job.application)
    joined = resumed.joined(compiled)
    job.observe(sinks.observed)
    live = None if sinks.live is None else replace(sinks.live, span=replace(sinks.live.span, begin=resumed.begin))
    topology = None if live is None else Topology(job.application, live, joined)
    if topology is not None:
        sinks.observed.lags.append(topology.behind)
        if not topology.ask():
            return
        if cluster is None or cluster[1] == 0:
            sinks.begin()
    readers = all_readers(compiled, topology.places if topology is not None else lambda input_: [])
    _same_files(readers, resumed, job)
    if (moved := keys_moved(compiled, readers, resumed)) is not None:
        raise StateProblem(f"{job.state}: {moved}")
    parts = {} if topology is None else topology.parts(readers, resumed.topics)
    places = {reader.partition: (reader.source, reader.number) for reader in readers}
    sinks.observed.begin(places, len(compiled.stages))
    keeping = None if job.state is None else Keeping(joined)
    worker = (0, 1) if cluster is None else (cluster[1], len(cluster[0]))
    settling = None if resumed.begin is None else settling_of(job.application, whole_from(job.application, resumed.begin))
    io = Connectors(readers, static_tables(compiled), sinks, parts, job.stopping, keeping, worker, settling)
    flow = build(compiled, io, job.shards)
    recovery = None if job.state is None else RecoveryConfig(str(recovery_of(job.state)))  # type: ignore[no-untyped-call]
    try:
        with without_panics(), _frozen():
            if cluster is None:
                run_main(flow, epoch_interval=job.epoch, recovery_config=recovery)  # type: ignore[no-untyped-call]
            else:
                cluster_main(  # type: ignore[no-untyped-call]
                    flow, *cluster, epoch_interval=job.epoch, recovery_config=recovery, worker_count_per_proc=1
                )
    except BaseException as error:
        if sinks.failed is not None:
            raise sinks.failed from None  # between processes the runtime loses what was raised
        if (problem := broken_state(error, job.state, alone=cluster is None)) is not None:
            raise problem from None
        raise (_cause(error) or error) from None
    finally:
        if topology is not None:
            topology.close()


@contextmanager
def _frozen() -> Iterator[None]:
    """Spare the garbage collector what was there before: libraries' objects by the hundred thousand, a tenth of a second a look."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _same_files(readers: Sequence[Reader], resumed: Resumed, job: Job) -> None:
    """Raise where a partition of files that was read before is not there any more."""
    gone = sorted(set(resumed.files) - {file_name(reader) for reader in readers})
    if gone:
        source, file = resumed.file(gone[0])
        raise StateProblem(
            f"{job.state}: the saved state has read a partition of {source} that is not there any more ({file}). Put its file "
            "back, or start with another --state"
        )


def _cause(error: BaseException) -> BaseException | None:
    """What really went wrong, under Bytewax's wrapping."""
    from bytewax.errors import BytewaxRuntimeError

    while isinstance(error, BytewaxRuntimeError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _started(
    processes: int, arguments: list[str], addresses: str, folder: Path, job: Job, locks: Sequence[int]
) -> list[subprocess.Popen[bytes]]:
    """All workers. They log to this process's standard error; their own holds what ended them."""
    log = os.dup(2)
    try:
        places = [f"{number}|{addresses}|{folder}|{log}" for number in range(processes)]
        return [_start(arguments, number, place, folder, job, (*locks, log)) for number, place in enumerate(places)]
    finally:
        os.close(log)


def _start(
    arguments: list[str], number: int, place: str, folder: Path, job: Job, kept: Sequence[int]
) -> subprocess.Popen[bytes]:
    """A worker: it hears from this process alone, and keeps the state locked as long as it lives."""
    command = [sys.executable, "-m", "dataflows", "run", *arguments, "--worker", place]
    with (folder / f"{number}.err").open("wb") as errors:
        # A live run without a sink writes its flags to standard output as they come; others have nothing to say there.
        flags_come = job.live is not None and job.live.endless and job.application.outputs.to is None
        shown = None if flags_come else subprocess.DEVNULL
        with _signals_wait() if job.stoppable else nullcontext():
            return subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=shown, stderr=errors, pass_fds=kept, start_new_session=True
            )


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Let a process that is started here take a request to stop once it listens: killed before, its peers would wait for it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
