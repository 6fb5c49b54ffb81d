"""What commands that ask a broker are given: a clock, and patience for as long as a person has it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from dataflows.commands.options import Given, pairs

if TYPE_CHECKING:
    from dataflows.connectors.kafka.live import Live
    from models.application.resolved.application import Application

SECONDS = 10.0
"""How long a broker is waited for."""


def patient() -> Live:
    """For one question: it gives up after a while, and says nothing meanwhile."""
    from dataflows.connectors.kafka.live import END, Live, Span

    until = time.monotonic() + SECONDS
    return Live(lambda: time.time_ns() // 1000, lambda message: None, lambda: time.monotonic() > until, Span(end=END))


def application_of(path: Path, given: Given) -> Application:
    """An application, with what the command line lays over it."""
    from models.application.load import load

    return load(path, overlays=given.overlays or [], params=pairs(given.params, "--param"), inputs=pairs(given.inputs, "--input"))
