"""A bar over the bytes that a run has read, with its events a second; on a terminal only."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from dataflows.commands.console import err
from dataflows.connectors.files import size_of
from dataflows.counts import Counts
from models.application.resolved import Application, FileInput, Stream, Table

EVERY = 0.1
"""Seconds between two looks."""


@contextmanager
def watched(application: Application, description: str) -> Iterator[Callable[[Counts], None]]:
    """While the run lasts, a bar; yields what the run shall call with its counts."""
    over = threading.Event()
    shown = Progress(
        TextColumn("{task.description}"), BarColumn(40), TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[rows]:>12,} events"), TimeElapsedColumn(),
        console=err, disable=not err.is_terminal, transient=True,
    )  # fmt: skip
    with shown:
        task = shown.add_task(description, total=_bytes(application), rows=0)
        watchers: list[threading.Thread] = []

        def watch(counts: Counts) -> None:
            watchers.append(threading.Thread(target=_look, args=(shown, task, counts, over), daemon=True))
            watchers[0].start()

        try:
            yield watch
        finally:
            over.set()
            for watcher in watchers:
                watcher.join()


def _look(shown: Progress, task: TaskID, counts: Counts, over: threading.Event) -> None:
    while not over.wait(EVERY):
        shown.update(task, completed=sum(list(counts.bytes.values())), rows=sum(list(counts.rows.values())))


def _bytes(application: Application) -> int | None:
    """The size of all input files, None where one of them is not counted by bytes."""
    sources: list[Stream | Table] = [*application.tables.values(), *application.streams.values()]
    if any(source.format == "parquet" for source in sources):
        return None
    return sum(size_of(source.input) for source in sources if isinstance(source.input, FileInput))
