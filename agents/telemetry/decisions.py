"""Decisions that were committed, counted and traced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from agents.telemetry import metrics, traces
from models.events.decision import LIVE


def observe(rows: Sequence[Mapping[str, Any]], now: int) -> None:
    """Rows of the table ``decision``; replays count nowhere."""
    live = [row for row in rows if row["runmode"] == LIVE]
    for (tier, verdict), count in Counter((row["tier"], row["verdict"]) for row in live).items():
        metrics.decided(tier, verdict, count)
    for row in live if traces.exporting() else ():
        traces.past(
            "decide", row["traceparent"], now, now, tocsin__flag__id=row["flag_id"], tocsin__decision__id=row["id"],
            tocsin__responder=row["responder"], tocsin__tier=row["tier"], tocsin__verdict=row["verdict"],
        )  # fmt: skip
