"""The engine on random events: any cuts, restarts and eviction on the way."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from dataflows.engine import Engine
from dataflows.planning.plan import plan
from dataflows.testing import _reader, _restarted
from models.application.load import load
from models.application.tests import Given
from tests.dataflows.sequences.patterns import written
from tests.dataflows.sequences.reference import Event, Flag
from tests.laws.sweeps import Everything

APPLICATION = {
    "tocsin": "1", "name": "random",
    "streams": {"events": {"time": "ts", "fields": {"ts": "timestamp[ms]", "k": "string", "name": "string?", "price": "int?"}}},
}  # fmt: skip


def flags_of(path: Path, pattern: dict[str, Any], events: dict[str, list[Event]], dice: random.Random) -> dict[str, list[Flag]]:
    """What the engine says of each key, in order; reads of random size, restarts now and then, eviction after every batch."""
    path.write_text(json.dumps({**APPLICATION, "patterns": {"p": {"by": "k", "evidence": {"last": 99}, **written(pattern)}}}))
    compiled = plan(load(path))
    reader = _reader(compiled, "events", 0)
    engine = Engine(compiled, [reader], sweep=Everything)
    lines = sorted(((event.time, key, event) for key, mine in events.items() for event in mine), key=lambda line: line[0])
    found: dict[str, list[Flag]] = {key: [] for key in events}
    at = 0
    while at < len(lines):
        size = dice.choice([1, 2, 3, 20])
        given = [_line(key, event) for _, key, event in lines[at : at + size]]
        _add(found, engine.turn(reader, reader.give(given)).hits)
        at += size
        if dice.random() < 0.2:
            engine = _restarted(engine, [reader])
    _add(found, engine.turn(reader, reader.read()).hits)
    return found


def _line(key: str, event: Event) -> Given:
    values = {"ts": event.time * 1000, "k": key, "name": event.name, "price": event.price}
    return Given("events", event.time * 1000, str(event.place), values=values)


def _add(found: dict[str, list[Flag]], hits: list[Any]) -> None:
    for each in hits:
        hit = each.hit
        key = each.key.decode()[-1]
        events = tuple((name, int(id_)) for name, id_ in hit.anchor)
        found[key].append(Flag(hit.kind, hit.shown_time // 1000, events, hit.deadline is not None))
