"""While a run lasts: what a watcher finds is logged, and that the run is to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dataflows.connectors.notices import Notice

if TYPE_CHECKING:
    from dataflows.monitoring.observed import Observed
    from dataflows.monitoring.watcher import Watcher

EVERY = 0.5
"""Seconds between two looks."""


@contextmanager
def watching(say: Callable[[str], None], stopping: Callable[[], bool]) -> Iterator[Callable[[Observed], None]]:
    """Look now and then; yields what the run shall tell what it observes. ``stopping``: whether it is to stop, told once."""
    from dataflows.monitoring.watcher import Watcher

    looking = _Looking(say, stopping)
    looking.start()
    try:
        yield lambda observed: looking.watchers.append(Watcher(observed, time.time()))
    finally:
        looking.over.set()
        looking.join()
        looking.stops()


class _Looking(threading.Thread):
    def __init__(self, say: Callable[[str], None], stopping: Callable[[], bool]) -> None:
        super().__init__(name="watching", daemon=True)
        self.say = say
        self.stopping = stopping
        self.watchers: list[Watcher] = []
        self.over = threading.Event()
        self.told = False

    def run(self) -> None:
        while not self.over.wait(EVERY):
            self.stops()
            for watcher in self.watchers:
                for notice in watcher.look(time.time()):
                    self.say(notice)

    def stops(self) -> None:
        """Tell that the run is to stop, once."""
        if not self.told and self.stopping():
            self.told = True
            self.say(Notice("stopping", "stopping as it stands: what is certain is written, open deadlines do not fire"))
