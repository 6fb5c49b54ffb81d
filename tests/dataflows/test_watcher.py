"""What a run tells of itself without being asked: found at times that the test gives."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

from dataflows.batches.batch import Bound
from dataflows.connectors.notices import Notice
from dataflows.monitoring.counts import Counts
from dataflows.monitoring.observed import Observed
from dataflows.monitoring.watcher import Watcher

SECOND = 1_000_000
START = 1_790_000_000 * SECOND


def stage_at(observed: Observed, time: int, **bounds: int) -> None:
    """A stage whose senders have come to times."""
    heard = {number: Bound(at, number) for number, at in enumerate(bounds.values())}
    shard = SimpleNamespace(reorder=SimpleNamespace(watermark=Bound(time, 0), bounds=heard))
    observed.begin({number: (name, number) for number, name in enumerate(bounds)}, 1)
    observed.shards = {0: [cast(Any, shard)]}
    observed.bounds = {(name, number): at for number, (name, at) in enumerate(bounds.items())}


def told(watcher: Watcher, now: float) -> list[tuple[str, str, str]]:
    return [(notice.level, notice.event, str(notice)) for notice in watcher.look(now)]


def test_a_stage_that_is_held_back() -> None:
    """By one partition while another is further; told once, and again when it moves."""
    observed = Observed(Counts(), lambda: 0.0)
    watcher = Watcher(observed, 0.0)
    stage_at(observed, START, slow=START, quick=START + 60 * SECOND)
    assert told(watcher, 1.0) == [] and told(watcher, 30.0) == []
    (notice,) = watcher.look(31.0)
    assert notice == "stage 1 is held back by slow, partition 0, for 30 s; it has reached 2026-09-21T14:13:20Z"
    assert (notice.level, notice.event) == ("warning", "watermark_held")
    assert notice.fields == {"stage": 1, "stream": "slow", "partition": 0, "watermark": "2026-09-21T14:13:20Z"}
    assert told(watcher, 55.0) == []
    stage_at(observed, START + SECOND, slow=START + SECOND, quick=START + 60 * SECOND)
    assert told(watcher, 56.0) == [("info", "watermark_moves", "stage 1 moves again")]


def test_silence_is_not_holding() -> None:
    """Where all partitions are as far as the stage, nothing waits."""
    observed = Observed(Counts(), lambda: 0.0)
    watcher = Watcher(observed, 0.0)
    stage_at(observed, START, one=START, two=START)
    assert [told(watcher, now) for now in (1.0, 40.0, 59.0)] == [[], [], []]


def test_dead_letters_late_events_and_broken_promises() -> None:
    """What is new since the last time, by stream, with its share."""
    counts = Counts(rows=Counter(a=100), dead=Counter({"a type": 2, "a missing": 1}), late=Counter({"a lateness": 5}))
    watcher = Watcher(Observed(counts, lambda: 0.0), 0.0)
    found = list(watcher.look(10.0))
    assert [str(notice) for notice in found] == [
        "a: 3 dead letters of 100 rows in 10 s (missing 1, type 2)", "a: 5 late events of 100 rows in 10 s (lateness 5)",
    ]  # fmt: skip
    assert [notice.level for notice in found] == ["warning", "info"]
    assert found[0].fields == {"stream": "a", "count": 3, "rows": 100, "reasons": {"missing": 1, "type": 2}, "share": 0.03}
    counts.rows["a"], counts.dead["a type"], counts.violations["a"] = 150, 3, 2
    assert told(watcher, 20.0) == [
        ("warning", "dead_letters", "a: 1 dead letters of 50 rows in 10 s (type 1)"),
        ("warning", "promise_broken", "a: 2 more of the keys looked at lie in two partitions, against partitioned_by"),
    ]
    assert told(watcher, 30.0) == []


def test_epochs_and_progress() -> None:
    """Each look that finds an epoch done, and once a minute how far the run is."""
    observed = Observed(Counts(rows=Counter(a=600), flags=Counter(p=3)), lambda: 5.0)
    observed.lags.append(lambda: [("t", 0, 40), ("t", 1, 2)])
    watcher = Watcher(observed, 0.0)
    for number in (1, 2, 1):
        observed.snapshot(4.5)
        observed.epoch(number)
    (notice,) = watcher.look(1.0)
    assert (notice.level, notice.event, notice.fields) == ("debug", "epoch", {"epoch": 2, "snapshot_seconds": 0.5})
    assert told(watcher, 60.0) == [("info", "progress", "600 rows (10/s), 3 flags, 42 records not read yet")]


def test_a_notice_is_its_sentence() -> None:
    assert Notice("a", "b", "warning", c=1) == "b"
