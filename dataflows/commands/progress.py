"""How far a run is: bytes and rows read, rows a second, the event time reached, flags; on a terminal only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from dataflows.commands.console import err
from dataflows.connectors.files import FileProblem, size_of
from dataflows.running import Counting
from models.application.resolved.application import Application
from models.application.resolved.sources import FileInput, Stream, Table
from models.expressions.text import time_text

EVERY = 0.1
"""Seconds between two looks."""


@contextmanager
def watched(application: Application, description: str) -> Iterator[Callable[[Counting], None]]:
    """While the run lasts, a bar; yields what the run shall tell how to ask for its counts."""
    over = threading.Event()
    total = _bytes(application) if err.is_terminal else None
    shown = Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(24),
        TextColumn("{task.percentage:>3.0f} %" if total else ""), TextColumn("{task.fields[words]}"), TimeElapsedColumn(),
        console=err, disable=not err.is_terminal, transient=True,
    )  # fmt: skip
    with shown:
        task = shown.add_task(description, total=total, words="starting …")
        watchers: list[threading.Thread] = []

        def watch(counting: Counting) -> None:
            watchers.append(threading.Thread(target=_look, args=(shown, task, counting, over), daemon=True))
            watchers[0].start()

        try:
            yield watch
        finally:
            over.set()
            for watcher in watchers:
                watcher.join()


def _look(shown: Progress, task: TaskID, counting: Counting, over: threading.Event) -> None:
    if shown.disable:
        return
    started = 0.0
    while not over.wait(EVERY):
        counts = counting().as_dict()
        rows = sum(counts["rows"].values())
        if rows:
            started = started or time.perf_counter() - EVERY
            words = in_words(counts, rows / (time.perf_counter() - started))
            shown.update(task, completed=sum(counts["bytes"].values()), words=words)


def in_words(counts: dict[str, dict[str, int]], rate: float) -> str:
    """Counts as a line beside the bar."""
    words = [f"{sum(counts['rows'].values()):,} rows", f"{rate:,.0f} rows/s"]
    if counts["reached"]:
        words.append(f"at {time_text(min(counts['reached'].values()))[:16]}")
    return " · ".join([*words, f"{sum(counts['flags'].values()):,} flags"])


def _bytes(application: Application) -> int | None:
    """The size of all input files, None where one of them is not counted by bytes, or is not there."""
    sources: list[Stream | Table] = [*application.tables.values(), *application.streams.values()]
    if any(source.format == "parquet" for source in sources):
        return None
    try:
        return sum(size_of(source.input) for source in sources if isinstance(source.input, FileInput))
    except (FileProblem, OSError):
        return None
