"""Everything that a live run needs, in the order in which it would miss it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dataflows.connectors.files import FileProblem, partitions_of
from dataflows.connectors.kafka.connection import Connection
from dataflows.connectors.kafka.live import Live
from dataflows.connectors.kafka.reasons import KafkaProblem
from dataflows.doctor.brokers import brokers, registries
from dataflows.doctor.disk import Free, disks, free_bytes
from dataflows.doctor.findings import Finding, fault, ok, problem, warning
from dataflows.doctor.inputs import input_findings
from dataflows.doctor.machine import machine
from dataflows.doctor.sample import samples
from models.application.errors import ApplicationErrors
from models.application.resolved.application import Application
from models.application.resolved.sources import FileInput, Stream, Table


@dataclass(frozen=True, slots=True)
class Case:
    """``load`` gives the application; ``patient``: for one question to a broker, and whose clock counts; ``free``: of a disk."""

    load: Callable[[], Application]
    patient: Callable[[], Live]
    state: Path | None = None
    shards: int = 16
    free: Free = free_bytes


def examine(case: Case) -> Iterator[Finding]:
    """Findings as they are made."""
    yield from machine()
    try:
        application = case.load()
    except ApplicationErrors as errors:
        for position, message in errors.problems:
            where = "application" if position is None else f"application {position}"
            yield fault(where, message, "correct it: tocsin check shows the same")
        return
    for text in application.warnings:
        yield warning("application", text, "tocsin check tells where")
    parts = {"stream": application.streams, "table": application.tables, "pattern": application.patterns}
    yield ok("application", f"{application.name}: " + ", ".join(f"{len(part)} {name}(s)" for name, part in parts.items()))
    yield from disks(application, case.state, case.shards, case.free)
    yield from _files(application)
    answering: dict[str, Connection] = {}
    for found in brokers(application, case.patient):
        if isinstance(found, Connection):
            answering[found.name] = found
        else:
            yield found
    yield from registries(application)
    yield from _inputs(application, answering, case)


def _files(application: Application) -> Iterator[Finding]:
    sources: list[Stream | Table] = [*application.tables.values(), *application.streams.values()]
    for source in sources:
        about = f"input {source.name}"
        if isinstance(source.input, FileInput):
            try:
                partitions_of(source.input)
                yield ok(about, ", ".join(source.input.globs))
            except FileProblem as error:
                yield problem(about, str(error))


def _inputs(application: Application, answering: dict[str, Connection], case: Case) -> Iterator[Finding]:
    try:
        for sample in samples(application, answering, case.patient):
            share = application.max_dead.get(sample.source.name, 0.05)
            yield from input_findings(sample, share, case.patient().clock())
    except KafkaProblem as error:
        yield problem("records", str(error))
    except FileProblem:
        return  # told before
