"""What somebody who watches a run wants to be told without asking: looked for now and then, at times that are given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from dataflows.batches.batch import AFTER_ALL, BEFORE_ALL
from dataflows.connectors.notices import Level, Notice
from dataflows.monitoring.observed import Observed
from models.expressions.text import time_text

PROGRESS, COUNTS, HELD = 60.0, 10.0, 30.0
"""Seconds between two notices of progress, and of new dead letters and late events; and after which a stage counts as held back."""
_MICROS = 1_000_000


class Watcher:
    """Compares a run with how it was at the last look. ``now`` is always seconds since 1970."""

    def __init__(self, observed: Observed, now: float) -> None:
        self.observed = observed
        self.counted = self.progressed = now
        self.rows = 0
        self.dead: Counter[str] = Counter()
        self.late: Counter[str] = Counter()
        self.read: Counter[str] = Counter()
        self.violations: Counter[str] = Counter()
        self.epochs = 0
        self.reached: dict[int, tuple[int | None, float]] = {}
        self.held: set[int] = set()

    def look(self, now: float) -> Iterator[Notice]:
        """What is new."""
        yield from self._epoch()
        for stage in range(self.observed.stages):
            yield from self._stage(stage, now)
        if now - self.counted >= COUNTS:
            yield from self._counts(now - self.counted)
            self.counted = now
        if now - self.progressed >= PROGRESS:
            yield self._progress(now)
            self.progressed = now

    def _epoch(self) -> Iterator[Notice]:
        epochs = self.observed.epochs
        if epochs > self.epochs:
            spread = self.observed.snapshot_seconds
            mean = spread.sum / max(1, sum(spread.counts))
            text = f"epoch {epochs} of this process is complete"
            yield Notice("epoch", text, "debug", epoch=epochs, snapshot_seconds=round(mean, 6))
            self.epochs = epochs

    def _stage(self, stage: int, now: float) -> Iterator[Notice]:
        """Whether one partition holds a stage back while others have gone on."""
        mark = self.observed.watermark(stage)
        before = self.reached.get(stage)
        if before is None or before[0] != mark:
            self.reached[stage] = (mark, now)
            if stage in self.held:
                self.held.discard(stage)
                yield Notice("watermark_moves", f"stage {stage + 1} moves again", stage=stage + 1)
            return
        holder = self.observed.holder(stage)
        if stage in self.held or now - before[1] < HELD or holder is None or not self._waits(mark):
            return
        self.held.add(stage)
        at = "" if mark is None else f"; it has reached {time_text(mark)}"
        text = f"stage {stage + 1} is held back by {holder[0]}, partition {holder[1]}, for {now - before[1]:.0f} s{at}"
        since = {} if mark is None else {"watermark": time_text(mark)}
        yield Notice("watermark_held", text, "warning", stage=stage + 1, stream=holder[0], partition=holder[1], **since)

    def _waits(self, mark: int | None) -> bool:
        """Whether any partition is a second further."""
        known = [bound for bound in self.observed.bounds.values() if BEFORE_ALL < bound < AFTER_ALL]
        return any(bound - (BEFORE_ALL if mark is None else mark) > _MICROS for bound in known)

    def _counts(self, seconds: float) -> Iterator[Notice]:
        counts = self.observed.counts.as_dict()
        read = Counter(counts["rows"]) - self.read
        for event, name, before in (("dead_letters", "dead", self.dead), ("late_events", "late", self.late)):
            new = Counter(counts[name]) - before
            for stream in dict.fromkeys(key.partition(" ")[0] for key in new):
                reasons = {key.partition(" ")[2]: n for key, n in new.items() if key.partition(" ")[0] == stream}
                yield _rows(event, stream, reasons, read[stream], seconds)
        for stream, n in (Counter(counts["violations"]) - self.violations).items():
            text = f"{stream}: {n:,} more of the keys looked at lie in two partitions, against partitioned_by"
            yield Notice("promise_broken", text, "warning", stream=stream, keys=n)
        self.read, self.dead, self.late = Counter(counts["rows"]), Counter(counts["dead"]), Counter(counts["late"])
        self.violations = Counter(counts["violations"])

    def _progress(self, now: float) -> Notice:
        observed = self.observed
        counts = observed.counts.as_dict()
        rows, flags = sum(counts["rows"].values()), sum(counts["flags"].values())
        rate = (rows - self.rows) / (now - self.progressed)
        self.rows = rows
        lag = sum(behind for each in observed.lags for _, _, behind in each())
        marks = [mark for stage in range(observed.stages) if (mark := observed.watermark(stage)) is not None]
        known = [mark for mark in marks if BEFORE_ALL < mark < AFTER_ALL]
        at = {"watermark": time_text(min(known))} if known else {}
        words = [f"{rows:,} rows ({rate:,.0f}/s)", f"{flags:,} flags", f"{lag:,} records not read yet"]
        words += [f"at {time}" for time in at.values()]
        return Notice("progress", ", ".join(words), "info", rows=rows, rows_per_second=round(rate), flags=flags, lag=lag, **at)


def _rows(event: str, stream: str, reasons: dict[str, int], read: int, seconds: float) -> Notice:
    total = sum(reasons.values())
    why = ", ".join(f"{reason} {n:,}" for reason, n in sorted(reasons.items()))
    what = "dead letters" if event == "dead_letters" else "late events"
    share = {"share": round(total / read, 6)} if read else {}
    text = f"{stream}: {total:,} {what} of {read:,} rows in {seconds:.0f} s ({why})"
    level: Level = "warning" if event == "dead_letters" else "info"
    return Notice(event, text, level, stream=stream, count=total, rows=read, reasons=reasons, **share)
