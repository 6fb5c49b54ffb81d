"""Keeps the runtime's own noise about a failed callback off the screen: the error itself is raised and told."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_NOISE = ("thread '", "Box<dyn Any>", "note: run with", "note: Some details", "stack backtrace")


@contextmanager
def without_panics() -> Iterator[None]:
    """Hold standard error back while the runtime runs; afterwards pass on what is not a panic's text."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            for line in held.read().decode(errors="replace").splitlines():
                if line.strip() and not line.startswith(_NOISE):
                    print(line, file=sys.stderr)
