"""SIGTERM and Ctrl-C let a run stop as it stands; a second one ends it at once."""

from __future__ import annotations

import signal
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stop:
    """Set by the first signal after ``listen``."""

    def __init__(self) -> None:
        self.found = False

    def listen(self) -> None:
        """Take signals from here on."""
        for number in _SIGNALS:
            signal.signal(number, self._take)

    def asked(self) -> bool:
        """Whether the run is to stop."""
        return self.found

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.found = True
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL)
