"""Eviction on one shard: memory stays bounded, and the clock hand looks at every slot."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from dataflows.operators import windows
from dataflows.stages.eviction import ClockHand
from models.application.load import load
from tests.laws.worlds import Run, World

APPLICATION = """
tocsin: 1
name: passing
version: 1
streams:
  pays:
    time: ts
    fields: {ts: "timestamp[s]", card: string, device: string}
features:
  n: {count: true, by: card, over: 20s}
  fresh: {is_new: device, by: card, over: 30s}
  before: {previous: device, by: card, ttl: 40s}
patterns:
  p: {by: card, when: "n > 2 and fresh", suppress: {cooldown: 10s}}
"""


@pytest.fixture()
def passing(tmp_path: Path) -> World:
    """A stream in which every key is seen a few times within seconds and never again, each time with a device of its own."""
    path = tmp_path / "app.yaml"
    path.write_text(APPLICATION)
    dice = random.Random(3)
    rows = [
        {"ts": 1_700_000_000 + i // 10, "card": f"c{max(0, i - dice.randint(0, 50))}", "device": f"d{i}"} for i in range(20_000)
    ]
    return World(0, load(path), APPLICATION, {"pays": [[json.dumps(row).encode() for row in rows]]})


def test_memory_is_bounded_when_keys_come_and_go(passing: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 20,000 cards and devices no more stay than 40 seconds hold, and twice as many slots."""
    monkeypatch.setattr(windows, "_FEW", 100)
    run = Run(random.Random(1), 200)
    assert run.flags(passing)
    alive = 40 * 10
    assert run.largest < 4 * alive
    assert run.strings < 4 * alive


@pytest.mark.parametrize("used", [1, 2, 100, 1000])
def test_the_hand_passes_every_slot(used: int) -> None:
    """Within one turn, also while the number of slots grows."""
    hand, seen = ClockHand(), np.zeros(used, np.bool_)
    for _ in range(used):
        slots = hand.slots(used, 5, 0)
        assert len(set(slots.tolist())) == len(slots)
        seen[slots] = True
    assert seen.all()
