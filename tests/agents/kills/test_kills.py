"""kill -9 between any two steps: every flag ends in one decision, every effect is accepted once, no finished call is made again."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.agents.kills.world import Nursery, World, world

FEW = {"kills": 2, "flags": 32}
MANY = {"kills": 100, "flags": 2000}
SEED = random.randrange(2**32) if os.environ.get("TOCSIN_RANDOM") else 7


def restarted(found: World, kills: int, flags: int) -> int:
    """Kill and start again, until so many were killed; each time some new flags come."""
    dice, nursery, killed, path = random.Random(SEED), Nursery(found), 0, found.folder
    part = flags // kills
    marks = part * 8
    while killed < kills:
        if found.sent < part * (killed + 1):
            path = found.flags(part)
        killed += nursery.live(path, f"*:{dice.randint(1, marks)}") == -9
    found.flags(flags - found.sent)
    for file in sorted(found.folder.glob("flags-*.jsonl")):
        found.finish(nursery, file) if file.name == path.name else nursery.live(file)
    found.finish(nursery, path)
    nursery.close()
    return killed


def taken_over(found: World, kills: int, flags: int) -> int:
    """Two workers; one is killed and not started again, the other ends its work."""
    dice, killed = random.Random(SEED), 0
    doomed, other = Nursery(found), Nursery(found)
    part = flags // kills
    while killed < kills:
        path = found.flags(part)
        doomed.begin(path, f"*:{dice.randint(1, part * 5)}")
        other.begin(path)
        killed += doomed.end() == -9
        assert other.end() == 0, (found.folder / "log").read_text()[-3000:]
        found.finish(other, path)
    doomed.close()
    other.close()
    return killed


@pytest.mark.parametrize("size", [FEW, pytest.param(MANY, marks=pytest.mark.soak)], ids=["few", "many"])
def test_restarts_on_sqlite(size: dict[str, int], tmp_path: Path) -> None:
    with world(tmp_path, f"sqlite:///{tmp_path / 'ledger.db'}") as found:
        assert restarted(found, **size) == size["kills"]
        assert min(found.check().get(tier, 0) for tier in ("rule", "score", "llm", "default")) > 0


@pytest.mark.parametrize("size", [FEW, pytest.param(MANY, marks=pytest.mark.soak)], ids=["few", "many"])
def test_a_peer_takes_over_on_postgresql(size: dict[str, int], tmp_path: Path, new_database: Callable[[], str]) -> None:
    with world(tmp_path, new_database()) as found:
        assert taken_over(found, **size) == size["kills"]
        assert min(found.check().get(tier, 0) for tier in ("rule", "score", "llm", "default")) > 0
