"""The array machine against the general one, on more events than a brute force could try."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dataflows.operators.sequences import fastmatcher
from dataflows.stages import sequencing
from tests.dataflows.sequences import patterns as some
from tests.dataflows.sequences.reference import Event
from tests.dataflows.sequences.running import flags_of


def stream(seed: int, n: int) -> list[Event]:
    """Many events of one key."""
    dice = random.Random(seed)
    time, found = 0, []
    for place in range(n):
        time += dice.choice([0, 1, 1, 2, 5])
        found.append(Event(place, time, dice.choice("aabbcx"), dice.choice([None, 1, 2, 3, 4])))
    return found


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], phases=[Phase.generate])
@given(pattern=some.patterns(), seed=st.integers(0, 2**31), after=st.sampled_from(["past_last", "to_next", "none"]))
def test_both_machines_agree(tmp_path_factory: pytest.TempPathFactory, pattern: dict[str, Any], seed: int, after: str) -> None:
    """Over cuts, restarts, eviction and sweeps at every batch."""
    pattern = {key: value for key, value in pattern.items() if key not in ("on_timeout", "emit")}
    pattern["after_match"] = after
    pattern["within"] = pattern.get("within") or 12
    pattern["max_partial"] = 40
    events = {key: stream(seed + place, 60) for place, key in enumerate("abc")}
    path = tmp_path_factory.getbasetemp() / "arrays.yaml"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fastmatcher.FastMatcher, "crowded", property(lambda self: True))
        found = flags_of(path, pattern, events, random.Random(seed))
        patch.setattr(sequencing, "_arrays", lambda *_: None)
        assert flags_of(path, pattern, events, random.Random(seed)) == found
