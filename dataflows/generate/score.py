"""Flags against planted labels: how precise each pattern is, and which episodes were caught."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import polars as pl


@dataclass(frozen=True, slots=True)
class PatternScore:
    """One pattern: its flags, how many are of labelled payments, and which kinds."""

    pattern: str
    flags: int
    right: int
    kinds: str


@dataclass(frozen=True, slots=True)
class Report:
    """All patterns, and for each kind of episode how many were caught of how many."""

    patterns: list[PatternScore]
    caught: list[tuple[str, int, int]]


def score(flags: Path, labels: Path) -> Report:
    """Compare a flags file with a labels file; a flag is right if any payment of its evidence is labelled."""
    frame = pl.read_csv(labels)
    known = {tx: (kind, episode) for tx, kind, episode in frame.select("tx_id", "kind", "episode").iter_rows()}
    count: Counter[str] = Counter()
    right: Counter[str] = Counter()
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    hit: set[tuple[str, int]] = set()
    for line in flags.read_text(encoding="utf-8").splitlines():
        data = json.loads(line)["data"]
        name = data["pattern"]["name"]
        found = {known[event["id"]] for event in data["evidence"] if event["id"] in known}
        count[name] += 1
        right[name] += bool(found)
        hit |= found
        kinds[name].update(kind for kind, _ in found)
    patterns = [
        PatternScore(name, n, right[name], ", ".join(f"{kind} {k}" for kind, k in kinds[name].most_common(3)))
        for name, n in count.items()
    ]
    episodes = set(frame.select("kind", "episode").iter_rows())
    every = Counter(kind for kind, _ in episodes)
    caught = Counter(kind for kind, _ in hit)
    return Report(sorted(patterns, key=lambda p: p.pattern), [(kind, caught[kind], n) for kind, n in sorted(every.items())])
