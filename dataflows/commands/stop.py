"""SIGTERM and Ctrl-C let a run stop as it stands; a second one ends it at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stop:
    """Set by the first signal while it is ``listening``."""

    def __init__(self) -> None:
        self.found = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take signals meanwhile."""
        before = {number: signal.signal(number, self._take) for number in _SIGNALS}
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)  # one that came while this process started is taken now
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def asked(self) -> bool:
        """Whether the run is to stop."""
        return self.found

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.found = True
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL)
