"""Sequences against the brute-force reference: any pattern on any events, in any cuts, over restarts."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from tests.dataflows.sequences import patterns as some
from tests.dataflows.sequences.reference import Event, Reference
from tests.dataflows.sequences.running import flags_of

QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]
KEYS = st.lists(some.streams(), min_size=4, max_size=4)
"""Each pattern is tried on the events of four keys, in one run: four pairs of a pattern and a stream."""
RANDOM = given(pattern=some.patterns(), streams=KEYS, seed=st.integers(0, 2**31))


def agree(folder: pytest.TempPathFactory, pattern: dict[str, Any], streams: list[list[Event]], seed: int) -> None:
    """The engine says of every key what the language says, in the same order."""
    note(json.dumps(some.written(pattern)))
    events = dict(zip("abcd", streams, strict=True))
    found = flags_of(folder.getbasetemp() / "random.yaml", pattern, events, random.Random(seed))
    assert found == {key: Reference(pattern, mine).flags() for key, mine in events.items()}


@settings(max_examples=500, suppress_health_check=QUIET, phases=[Phase.explicit, Phase.generate])
@RANDOM
def test_engine_is_the_language(
    tmp_path_factory: pytest.TempPathFactory, pattern: dict[str, Any], streams: list[list[Event]], seed: int
) -> None:
    """2,000 pairs of a pattern and a stream."""
    agree(tmp_path_factory, pattern, streams, seed)


@pytest.mark.soak
@settings(max_examples=5_000, suppress_health_check=QUIET)
@RANDOM
def test_engine_is_the_language_in_the_long_run(
    tmp_path_factory: pytest.TempPathFactory, pattern: dict[str, Any], streams: list[list[Event]], seed: int
) -> None:
    """20,000 pairs of a pattern and a stream."""
    agree(tmp_path_factory, pattern, streams, seed)
