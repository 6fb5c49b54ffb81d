"""Flags against planted labels: which episodes were found, how soon, and how many flags were right."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import polars as pl


@dataclass(frozen=True, slots=True)
class KindScore:
    """One kind of fraud: episodes planted and found; flags of the pattern of its name, and how many were right; the median delay.

    An episode is found if any flag's evidence holds one of its events; the delay is that of its first flag after its first event
    (hours). A flag is right if its evidence holds an event of any episode.
    """

    kind: str
    planted: int
    found: int
    flags: int
    right: int
    delay: float | None


def score(flags: Path, labels: Path) -> list[KindScore]:
    """Compare a flags file with a labels file, kind by kind in the order in which the kinds first appear."""
    known = pl.read_csv(labels)
    episodes = known.group_by("kind", "episode").agg(begin=pl.col("ts").min())
    raised = _raised(flags)
    hits = raised.join(known, on=["stream", "id"], how="left")
    first = hits.drop_nulls("episode").group_by("kind", "episode").agg(first=pl.col("time").min())
    found = episodes.join(first, on=["kind", "episode"], how="left").with_columns(delay=pl.col("first") - pl.col("begin"))
    right = hits.group_by("pattern", "flag").agg(right=pl.col("episode").is_not_null().any())
    return [
        KindScore(
            kind,
            of_kind.height,
            of_kind["first"].count(),
            (own := right.filter(pl.col("pattern") == kind)).height,
            int(own["right"].sum()),
            _hours(of_kind["delay"]),
        )
        for (kind,), of_kind in found.sort("episode").group_by("kind", maintain_order=True)
    ]


def _hours(delays: pl.Series) -> float | None:
    """The median of delays in milliseconds."""
    middle = delays.median()
    return float(middle) / 3_600_000 if isinstance(middle, int | float) else None


def _raised(flags: Path) -> pl.DataFrame:
    """Every event of every flag's evidence: flag, pattern, time of the flag (milliseconds), stream and id of the event."""
    rows = []
    for line in flags.read_text(encoding="utf-8").splitlines():
        flag = json.loads(line)
        rows += [
            (flag["id"], flag["data"]["pattern"]["name"], flag["time"], event["on"], event["id"])
            for event in flag["data"]["evidence"]
        ]
    schema = dict.fromkeys(("flag", "pattern", "time", "stream", "id"), pl.String)
    moment = pl.col("time").str.to_datetime(time_unit="ms", time_zone="UTC").dt.epoch("ms")
    return pl.DataFrame(rows, schema, orient="row").with_columns(time=moment)
