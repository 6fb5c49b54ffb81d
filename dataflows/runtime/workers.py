"""Worker processes as whoever started them sees them: how they end, and whose error it was."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

LOST_PEER = "another worker process ended first"
_LOOK = 0.2
_ROUNDS = 50
"""Looks that workers get to end by themselves once one has failed: a lost connection tells them within a few milliseconds."""
_OUTSIDE = 3
_AGAIN = "Start again: a run with --state goes on from its last epoch"


class WorkerFailed(Exception):
    """A worker process ended in an error; its own message says why, and ``code`` is its exit code."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


def all_ended(workers: Sequence[subprocess.Popen[bytes]], stopping: Callable[[], bool]) -> list[int]:
    """Exit codes once all have ended: all are told once when the run is to stop, and ended once one has failed."""
    told, rounds = False, _ROUNDS
    while running := [worker for worker in workers if worker.poll() is None]:
        if stopping() and not told:
            told = True
            for each in running:
                each.terminate()
        rounds -= any(worker.returncode for worker in workers)
        if rounds == 0:
            return [worker.returncode or 0 for worker in workers]
        try:
            running[0].wait(_LOOK)
        except subprocess.TimeoutExpired:
            continue
    return [worker.returncode for worker in workers]


def failure_of(codes: Sequence[int], folder: Path) -> WorkerFailed:
    """The error of the worker that failed on its own: the others only lost their peer.

    ``folder`` holds each one's message, ``N.err``.
    """
    texts = [(folder / f"{number}.err").read_text(errors="replace").strip() for number in range(len(codes))]
    own = [(text, code) for text, code in zip(texts, codes) if text and code > 0 and LOST_PEER not in text]
    if own:
        return WorkerFailed(*own[0])
    if killed := _killed(codes):
        return WorkerFailed(killed, _OUTSIDE)
    return WorkerFailed(next((text for text in texts if text), "a worker process ended without a message"), _OUTSIDE)


def _killed(codes: Sequence[int]) -> str | None:
    """Who was killed, and how; one that lost its peer may abort."""
    found = [(code == -signal.SIGABRT, number, -code) for number, code in enumerate(codes) if code < 0]
    if not found:
        return None
    _, number, by = min(found)
    name = signal.Signals(by).name if by in set(signal.Signals) else f"signal {by}"
    cause = ": was memory short?" if by == signal.SIGKILL else "."
    return f"worker process {number + 1} of {len(codes)} was killed ({name}){cause} {_AGAIN}"
