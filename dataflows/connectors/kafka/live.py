"""What a run on Kafka is given from outside: the clock, where messages to the user go, when to stop, and what to read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

END = "end"


@dataclass(frozen=True, slots=True)
class Span:
    """What to read.

    begin: None the first offsets, else records at or after a time (microseconds); end: None for ever, ``END`` what there is, else
    events before a time (microseconds).
    """

    begin: int | None = None
    end: int | str | None = None


@dataclass(frozen=True, slots=True)
class Live:
    """``clock`` gives microseconds since 1970; ``say`` tells the user; ``draining`` turns true when the run is to stop.

    ``failed`` counts errors of a client by their kind; ``reached`` is told whether a client, by its name, has a broker; ``note``
    takes what only somebody who looks for a fault wants to read.
    """

    clock: Callable[[], int]
    say: Callable[[str], None]
    draining: Callable[[], bool] = lambda: False
    span: Span = Span()
    failed: Callable[[str], None] = lambda kind: None
    reached: Callable[[str, bool], None] = lambda client, there: None
    note: Callable[[str], None] = lambda message: None

    @property
    def endless(self) -> bool:
        """Whether the run goes on at the end of a log."""
        return self.span.end is None
