"""Law 6: of a run that begins in the middle, every flag that is not marked is one of the run over everything, and none is missing."""

from __future__ import annotations

import json
import random
import re
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.stages.settling import NEVER, settling_of
from models.application.load import load
from tests.laws.worlds import Run, World, examples, world

SECOND = 1_000_000


def begins(found: World, dice: random.Random) -> tuple[dict[str, list[int]], int]:
    """A random place in each partition of each stream, and from when on (microseconds) nothing is missing."""
    begin: dict[str, list[int]] = {}
    newest = 0
    for name in found.application.streams:
        begin[name] = [dice.randint(0, len(rows) // 2) for rows in found.partitions[name]]
        for at, rows in zip(begin[name], found.partitions[name], strict=True):
            newest = max([newest, *(json.loads(row)["ts"] * SECOND for row in rows[:at])])
    dedup = max(stream.dedup or 0 for stream in found.application.streams.values())
    return begin, newest + 1 + dedup


def bounded(found: World, folder: Path) -> World:
    """The world without what never settles, where that is easily left out: most of its patterns then have memories with an end."""
    lines = [line for line in found.text.splitlines() if not re.match(r"    (trigger|hold|clear|on_clear):", line)]
    text = re.sub(r"^(  \w+: \{(?!.*over:)\w+: .*)\}$", r"\1, over: 20s}", "\n".join(lines), flags=re.M)
    (folder / "app.yaml").write_text(re.sub(r", (ttl: \d+s|learn_below: \d+)", "", text) + "\n")
    return World(found.seed, load(folder / "app.yaml"), text, found.partitions)


def parted(flags: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Flags that are settled, and those that are not."""
    settled = [flag for flag in flags if "settled" not in json.loads(flag)]
    return settled, [flag for flag in flags if flag not in settled]


def check(seed: int, most: int, shards: int, restart: float) -> tuple[int, int]:
    """The law on one world; how many flags were settled, and how many were not."""
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        found = bounded(world(seed, rows=90), Path(folder))
    begin, whole = begins(found, dice)
    settling = settling_of(found.application, whole)
    full = Run().flags(found)
    middle = Run(random.Random(seed), most, shards, restart=restart, begin=begin, settling=settling).flags(found)
    counts = [0, 0]
    for key, flags in middle.items():
        settled, marked = parted(flags)
        counts[0] += len(settled)
        counts[1] += len(marked)
        of_all = full.get(key, [])
        assert not [flag for flag in settled if flag not in of_all], key
        if settled:
            behind = of_all[of_all.index(settled[0]) :]
            assert [flag for flag in behind if flag not in flags] == [], key
    return counts[0], counts[1]


@settings(max_examples=examples(12))
@given(st.integers(0, 2**31), st.sampled_from([1, 5]), st.sampled_from([1, 3]), st.sampled_from([0.0, 0.4]))
def test_settled_flags_are_those_of_the_whole(seed: int, most: int, shards: int, restart: float) -> None:
    """From any place in the streams' partitions, whatever the cuts, shards and restarts."""
    check(seed, most, shards, restart)


def test_there_are_settled_flags() -> None:
    """The law is not empty: some worlds settle, and some flags of theirs are marked before."""
    counts = [check(seed, 5, 1, 0.0) for seed in range(8)]
    assert sum(settled for settled, _ in counts) > 10
    assert sum(marked for _, marked in counts) > 10


STANDING = """tocsin: 1
name: shop
streams: {tx: {time: ts, dedup: 1m, fields: {ts: timestamp, card: string}}}
features:
  n: {count: true, by: card, over: 1h, delay: 1m}
  flags: {count: true, of: busy, by: card, over: 1h}
patterns:
  busy: {by: card, when: n > 2, suppress: {cooldown: 30m}}
  again: {on: busy, by: card, when: flag.severity = 'medium'}
  often: {on: tx, by: card, when: flags > 1}
"""


def test_memories(tmp_path: Path) -> None:
    """Windows and cooldowns end; what stands on flags never settles."""
    (tmp_path / "app.yaml").write_text(STANDING)
    minute = 60 * SECOND
    found = settling_of(load(tmp_path / "app.yaml"), 5)
    assert found == {"busy": (5 + 61 * minute, 60 * minute), "again": (NEVER, 0), "often": (NEVER, 0)}
