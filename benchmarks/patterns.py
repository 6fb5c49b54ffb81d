"""Many patterns on W1: 1, 10, 100 and 200 of them over two windows by card, every fourth a sequence, from file to written flags."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import orjson

from benchmarks.data import events
from benchmarks.w1 import APPLICATION, loop, seconds_of
from dataflows.running import Job, run_here
from models.application.load import load

COUNTS = (1, 10, 100, 200)


def shapes(n: int) -> Iterator[str]:
    """The first n patterns: W1's three and a sequence, each again and again with other limits."""
    for i in range(n):
        nth = i // 4
        yield (
            f"  many{nth}: {{by: card, when: c > {3 + nth % 3} and s > {500 + 10 * nth}}}",
            f"  far{nth}: {{by: card, when: amount > {400 + 5 * nth} and country = {(7 + nth) % 30}}}",
            f"  jump{nth}: {{by: card, when: amount > {4 + nth % 9} * (s / c) and c > {2 + nth % 5}}}",
            f"  rise{nth}: {{by: card, within: {5 + nth % 6}m, sequence: [small: {{when: amount < {1 + nth % 5}}}, "
            f"large: {{when: amount > {450 + 5 * nth} and amount > 9 * small.amount}}]}}",
        )[i % 4]


def main(n: int = 1_000_000) -> list[tuple[str, str]]:
    """Measure, check W1's patterns against the plain loop, and give (what, figure) rows; seconds are of processor time."""
    rows: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        path, flags = Path(folder) / "w1.jsonl", Path(folder) / "flags.jsonl"
        events(path, n)
        head, tail = APPLICATION.split("patterns:\n")[0], APPLICATION[APPLICATION.index("flags:\n") :]
        wanted = loop(path)
        first = 0.0
        for count in COUNTS:
            (Path(folder) / "app.yaml").write_text(head + "patterns:\n" + "\n".join(shapes(count)) + "\n" + tail)
            job = Job(load(Path(folder) / "app.yaml"), 16, lambda: "")
            seconds, _ = seconds_of(partial(run_here, job), 3 if count < 100 else 2)
            first = first or seconds
            written = [orjson.loads(line) for line in flags.read_bytes().splitlines()]
            hits = {(flag["data"]["pattern"]["name"], flag["causationid"]) for flag in written}
            for name in ("many", "far", "jump") if count >= 3 else ("many",):
                assert {id_ for found, id_ in hits if found == f"{name}0"} == {id_ for found, id_ in wanted if found == name}
            what = f"{count} pattern{'s' if count > 1 else ''} on W1"
            rows.append((what, f"{n / seconds / 1e3:.0f} k events/s; {seconds / first:.1f} x one; {len(written)} flags"))
    return rows
