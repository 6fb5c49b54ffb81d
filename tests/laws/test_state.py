"""Laws 1 and 5, and saved state: neither cuts, shards, order of reading, eviction nor restarts change a flag."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.stages.eviction import ClockHand
from tests.laws.sweeps import Anything, Everything, Nothing
from tests.laws.worlds import Run, examples, world

SEEDS = st.integers(0, 2**31)


@settings(max_examples=examples(12))
@given(SEEDS, st.sampled_from([(1, 1), (3, 16), (20, 64)]))
def test_cuts_interleaving_and_shards_change_nothing(seed: int, how: tuple[int, int]) -> None:
    """Reads of 1, up to 3 and up to 20 rows in any order of partitions, over 1, 16 and 64 shards."""
    found = world(seed)
    assert Run(random.Random(seed), *how).flags(found) == Run().flags(found)


@settings(max_examples=examples(15))
@given(SEEDS, st.sampled_from([1, 4]), st.sampled_from([Everything, Anything, ClockHand]))
def test_eviction_is_invisible(seed: int, most: int, sweep: type) -> None:
    """Every evictable slot after each event, some at random, or in turn, against none ever."""
    found = world(seed)
    evicting, keeping = Run(random.Random(seed), most, sweep=sweep), Run(sweep=Nothing)
    assert evicting.flags(found) == keeping.flags(found)
    assert evicting.suppressed == keeping.suppressed


@settings(max_examples=examples(10))
@given(SEEDS, st.sampled_from([1, 6]), st.sampled_from([1, 3]), st.sampled_from([Everything, Nothing]))
def test_a_restart_is_nothing(seed: int, most: int, shards: int, sweep: type) -> None:
    """All state saved, dropped and restored after every other read; and what is saved is arrays and plain values."""
    found = world(seed)
    assert Run(random.Random(seed), most, shards, sweep, restart=0.5).flags(found) == Run().flags(found)
