"""SIGTERM and Ctrl-C let a run stop as it stands, within a time; a second one ends it at once."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from types import FrameType
from typing import Annotated

import typer

from dataflows.commands.failures import OUTSIDE

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

DEADLINE = 25.0
"""Seconds: less than the 30 that Kubernetes gives a pod unless told otherwise."""
Deadline = Annotated[
    float,
    typer.Option(
        min=0.1, metavar="SECONDS", envvar="TOCSIN_DRAIN_DEADLINE",
        help="How long a stop may take; then the run is ended with exit code 3.",
    ),
]  # fmt: skip


class Stop:
    """Set by the first signal while it is ``listening``; a run that has not ended ``deadline`` seconds later is ended.

    words: makes a line of what is said then.
    """

    def __init__(self, deadline: float = DEADLINE) -> None:
        self.found = False
        self.deadline = deadline
        self.words: Callable[[str], str] = lambda text: f"{text}\n"

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take signals meanwhile."""
        ours, theirs = os.pipe()
        os.set_blocking(theirs, False)
        shown = os.dup(2)  # the runtime's standard error is passed on by a thread that an end at once does not wait for
        wakes = signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)
        before = {number: signal.signal(number, self._take) for number in _SIGNALS}
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)  # one that came while this process started is taken now
        watching = Thread(target=self._watch, args=(ours, shown), daemon=True)
        watching.start()
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(wakes)
            os.close(theirs)
            watching.join()
            os.close(ours)
            os.close(shown)

    def asked(self) -> bool:
        """Whether the run is to stop."""
        return self.found

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.found = True
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL)

    def _watch(self, signals: int, shown: int) -> None:
        """The deadline, in a thread: Python runs a handler only once the main thread is back from a library."""
        if not os.read(signals, 1) or select.select([signals], [], [], self.deadline)[0]:
            return
        words = f"the run did not stop within {self.deadline:g} s and is ended: a run with --state goes on from its last epoch"
        os.write(shown, self.words(words).encode())
        os._exit(OUTSIDE)
