"""Keeps the runtime's own noise about a failed callback off the screen: the error itself is raised and told."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_NOISE = (b"thread '", b"called `Result::unwrap()`", b"Box<dyn Any>", b"note: run with", b"note: Some details", b"stack backtrace")


@contextmanager
def without_panics() -> Iterator[None]:
    """Pass standard error on line by line while the runtime runs, but for a panic's text."""
    os.environ["RUST_BACKTRACE"] = "0"  # read at the first panic
    sys.stderr.flush()
    kept = os.dup(2)
    ours, theirs = os.pipe()
    os.dup2(theirs, 2)
    os.close(theirs)
    passing = threading.Thread(target=_pass_on, args=(ours, kept), daemon=True)
    passing.start()
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)  # closes the pipe's last writing end
        passing.join()
        os.close(kept)


def _pass_on(source: int, target: int) -> None:
    with os.fdopen(source, "rb") as lines:
        for line in lines:
            if line.strip() and not line.startswith(_NOISE):
                os.write(target, line)
