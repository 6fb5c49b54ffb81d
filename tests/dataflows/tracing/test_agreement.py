"""What is told of a key is what happened: the flags of the reference, and every attempt has its end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from dataflows.planning.plan import plan
from dataflows.testing import _reader
from dataflows.tracing.trace import Story, trace
from dataflows.tracing.words import told
from models.application.load import load
from tests.dataflows.sequences import patterns as some
from tests.dataflows.sequences.reference import Event, Reference
from tests.dataflows.sequences.running import APPLICATION, _line


def story_of(folder: pytest.TempPathFactory, pattern: dict[str, Any], events: dict[str, list[Event]], key: str) -> Story:
    """A key's story among the events of several."""
    path = folder.getbasetemp() / "told.yaml"
    path.write_text(json.dumps({**APPLICATION, "patterns": {"p": {"by": "k", "evidence": {"last": 99}, **some.written(pattern)}}}))
    application = load(path)
    lines = sorted(((event.time, name, event) for name, mine in events.items() for event in mine), key=lambda line: line[0])
    reader = _reader(plan(application), "events", 0)

    def read(_: Any) -> Any:
        def turns() -> Any:
            yield reader, reader.give([_line(name, event) for _, name, event in lines])
            yield reader, reader.read()

        return [reader], turns()

    story = trace(application, "p", key, read, lambda _: {})
    assert list(told(application, story, story.attempts, trees=True))
    return story


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], phases=[Phase.explicit, Phase.generate])
@given(pattern=some.patterns(), streams=st.lists(some.streams(), min_size=2, max_size=2))
def test_what_is_told_is_what_happened(
    tmp_path_factory: pytest.TempPathFactory, pattern: dict[str, Any], streams: list[list[Event]]
) -> None:
    """The same flags with the same steps, and an ending for every attempt; nothing of another key."""
    note(json.dumps(some.written(pattern)))
    story = story_of(tmp_path_factory, pattern, dict(zip("ab", streams, strict=True)), "a")
    wanted = sorted(flag.events for flag in Reference(pattern, streams[0]).flags() if flag.kind == "match")
    found = [
        tuple((taken.step, int(taken.event.id)) for taken in attempt.taken) for attempt in story.attempts
        if attempt.flag is not None and attempt.hit is not None and attempt.hit[0] == "match"
    ]  # fmt: skip
    assert sorted(found) == wanted
    assert all(attempt.ending is not None and attempt.ending.words for attempt in story.attempts)
    assert story.events == len(streams[0])
