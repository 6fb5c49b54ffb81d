"""From a file to a starter application that fits it: guessed, tried on the file, and cut down to what holds."""

from __future__ import annotations

import glob
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dataflows.connectors.files import FileProblem
from dataflows.reading.readers import decoded_blocks
from dataflows.starting.inference import Guess, guess
from dataflows.starting.roles import roles
from dataflows.starting.sample import ROWS, Sample, sample
from dataflows.starting.write import Starter, names_of, plain_name, stem_of
from models.application.load import load
from models.application.resolved.application import Application
from models.values.types import Kind

_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is not to be guessed: the application's name, and fields by their path.

    topic: where the file's rows are from, with the settings of its connection as the application shall write them.
    """

    name: str | None = None
    time: str | None = None
    id: str | None = None
    by: str | None = None
    topic: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


def start(path: Path, out: Path, wishes: Wishes) -> Starter:
    """A starter application for a file, to be written to ``out``.

    Raises:
        FileProblem: when the file cannot be read, or has no field that can be the event's time.
    """
    found = sample(path)
    fields = [guess(seen) for seen in found.fields]
    for _ in range(_ROUNDS):
        starter = _starter(path, out, found, fields, wishes)
        rest = _without_misfits(starter, path, fields)
        if rest == fields:
            break
        fields = rest
    return starter


def _starter(path: Path, out: Path, found: Sample, fields: Sequence[Guess], wishes: Wishes) -> Starter:
    chosen = roles(fields, found.times, found.keys)
    if wishes.time:
        time = _field(path, fields, wishes.time, "time")
        chosen = replace(chosen, time=time, disorder=roles([time]).disorder)
    if wishes.id:
        chosen = replace(chosen, id=_field(path, fields, wishes.id, "id"))
    if wishes.by:
        chosen = replace(chosen, by=_field(path, fields, wishes.by, "by"))
    if found.format != "debezium" and chosen.time is None:
        times = [".".join(each.seen.path) for each in fields if each.type is not None and each.type.kind is Kind.TIMESTAMP]
        why = f"{', '.join(times)} may be null" if times else f"found {', '.join('.'.join(each.seen.path) for each in fields)}"
        raise FileProblem(f"{path}: expected a field with the event's time (RFC 3339, or numbers under a name that says so); {why}")
    stem = stem_of(path)
    stream = plain_name(stem, "events") + ("_changes" if found.format == "debezium" else "")
    name = wishes.name or plain_name(stem, "events").replace("_", "-")
    source = os.path.relpath(path.resolve(), out.resolve().parent)
    if wishes.topic is not None:
        command = f"tocsin init --from kafka:{wishes.topic}"
        return Starter(command, name, stream, wishes.topic, found, fields, chosen, wishes.settings)
    return Starter(f"tocsin init {path.name}", name, stream, glob.escape(source), found, fields, chosen)


def _field(path: Path, fields: Sequence[Guess], name: str, role: str) -> Guess:
    for each in fields:
        if ".".join(each.seen.path) == name and each.type is not None:
            if role == "time" and each.type.kind is not Kind.TIMESTAMP:
                raise FileProblem(f"{path}: expected --time as a field of moments; found {name}: {each.type}")
            return each
    known = ", ".join(".".join(each.seen.path) for each in fields if each.type is not None)
    raise FileProblem(f"{path}: no field {name!r} for --{role}; expected one of {known}")


def _without_misfits(starter: Starter, path: Path, fields: Sequence[Guess]) -> list[Guess]:
    """Fields as they are, but for those whose declared type some row of the sample does not fit: they are left out."""
    wrong = _misfits(_loaded(starter, path), path)
    names = names_of(fields)
    return [
        replace(each, type=None, note=f"{wrong[name]:,} rows of the sample do not fit {each.type}")
        if (name := names.get(id(each), "")) in wrong and each is not starter.roles.time
        else each
        for each in fields
    ]


def _loaded(starter: Starter, path: Path) -> Application:
    with tempfile.TemporaryDirectory(prefix="tocsin-") as folder:
        file = Path(folder) / "app.yaml"
        file.write_text(starter.text(), encoding="utf-8")
        inputs = {starter.stream: str(path)}
        if "\ntables:\n" in starter.text():
            inputs[starter.table] = str(path)
        return load(file, inputs={name: glob.escape(text) for name, text in inputs.items()})


def _misfits(application: Application, path: Path) -> dict[str, int]:
    """How many rows of the sample each field makes a dead letter."""
    stream = next(iter(application.streams.values()))
    found: dict[str, int] = {}
    rows = 0
    for _, decoded in decoded_blocks(stream, [path], frozenset(stream.fields), frozenset({stream.time})):
        for dead in decoded.dead:
            if dead.field is not None:
                found[dead.field] = found.get(dead.field, 0) + 1
        rows += decoded.n
        if rows >= ROWS:
            break
    return found
