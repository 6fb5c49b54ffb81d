"""Law 9: joins, features and scores equal a reading of the partitions' contents that keeps everything and counts anew each time."""

from __future__ import annotations

import json
import math
import random
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.planning.plan import plan
from models.application.resolved.facts import Feature, Score
from tests.laws.sweeps import Everything
from tests.laws.worlds import Run, World, examples, world

SECOND = 1_000_000
EVER = -(10**18)
PLACES = {"customers": 0, "pays": 1, "logins": 2}
WHERE = {"most": lambda row: row["kind"] == "a", "fails": lambda row: not row["ok"],
         "odd": lambda row: row["amount"] is not None and row["amount"] > 200}  # fmt: skip


@dataclass(frozen=True)
class Event:
    """An accepted row at its place in the total order, amounts in hundredths."""

    order: tuple[int, int, int]
    row: dict[str, Any]

    @property
    def time(self) -> int:
        """Event time in microseconds."""
        return self.order[0]


@settings(max_examples=examples(25))
@given(st.integers(0, 2**31), st.sampled_from([1, 7, 1000]))
def test_joins_features_and_scores_equal_a_brute_force_reading(seed: int, most: int) -> None:
    """Every accepted payment, with late, repeated and unreadable rows, and a table with late, deleted and repeated ones."""
    found = world(seed)
    compiled = plan(found.application, features_of=["pays"])
    run = Run(random.Random(seed), most, sweep=Everything)
    rows: dict[tuple[int, int], dict[str, Any]] = {}
    for result in run.results(found, compiled):
        for _, batch in result.rows:
            for row in range(len(batch)):
                place = (int(batch.partition[row]), int(batch.offset[row]))
                rows[place] = {name: column.at(row) for name, column in batch.columns.items()}
    oracle = Oracle(found)
    events = oracle.events("pays")
    assert sorted(rows) == sorted(event.order[1:] for event in events)
    for event in events:
        for name, value in oracle.values(event):
            assert rows[event.order[1:]][name] == same(value), (name, event, found.text)


def same(value: Any) -> Any:
    """Floats that are computed another way differ in their last digits."""
    return pytest.approx(value, rel=1e-9, abs=1e-9) if isinstance(value, float) else value


class Oracle:
    """Reads everything from the beginning for each value."""

    def __init__(self, found: World) -> None:
        self.world = found
        self.application = found.application
        self.first = {}
        count = 0
        for name in PLACES:
            self.first[name] = count
            count += len(found.partitions[name])
        self.accepted = {name: self._accepted(name) for name in ("pays", "logins")}
        self.changes = sorted(self._changes(), key=lambda change: change[0])

    def events(self, stream: str) -> list[Event]:
        """Accepted events in the total order."""
        return self.accepted[stream]

    def values(self, event: Event) -> Iterator[tuple[str, Any]]:
        """Every join's, feature's and score's column at a payment."""
        tier, top = self._customer(event)
        yield "known", tier is not None
        yield "tier", tier
        yield "top", None if top is None else top * 200
        for feature in self.application.features.values():
            yield f"{feature.name}[{','.join(feature.by.fields)}]", self._feature(feature, event)
        for score in self.application.scores.values():
            yield f"{score.name}[{','.join(score.by.fields)}]", self._score(score, event)

    def _accepted(self, name: str) -> list[Event]:
        stream = self.application.streams[name]
        found = []
        for number, rows in enumerate(self.world.partitions[name]):
            seen: list[tuple[str, int]] = []
            newest = EVER
            for offset, raw in enumerate(rows):
                row = json.loads(raw)
                if isinstance(row.get("shop"), str):
                    continue
                time = row["ts"] * SECOND
                newest = max(newest, time)
                if time < newest - stream.lateness:
                    continue
                if stream.dedup and any(id_ == row["id"] and abs(time - at) < stream.dedup for id_, at in seen):
                    continue
                if stream.dedup:
                    seen.append((row["id"], time))
                if row.get("amount") is not None:
                    row["amount"] = round(row["amount"] * 100)
                found.append(Event((time, self.first[name] + number, offset), row))
        return sorted(found, key=lambda event: event.order)

    def _changes(self) -> Iterator[tuple[tuple[int, int, int], int, bool, dict[str, Any] | None, str]]:
        """(place in the order, version time, whether it holds since ever for an unknown key, row, key) of each change."""
        lateness = self.application.tables["customers"].lateness
        for number, records in enumerate(self.world.partitions["customers"]):
            newest, leading = EVER, True
            for offset, raw in enumerate(records):
                record = json.loads(raw)
                leading = leading and record["op"] == "r"
                time = record["source"]["ts_us"]
                if not leading:
                    newest = max(newest, time)
                visible = EVER if leading else max(time, newest - lateness)
                key = (record["after"] or record["before"])["cust"]
                yield (visible, number, offset), time, record["op"] == "r", record["after"], key

    def _customer(self, event: Event) -> tuple[Any, Any]:
        newest, current = EVER - 1, None
        known = False
        for place, time, snapshot, row, key in self.changes:
            if key != event.row["cust"] or place > event.order:
                continue
            if snapshot and known and current is not None and row == current:
                continue
            version = EVER if snapshot and not known else time
            if not known or version >= newest:
                newest, current = version, row
            known = True
        return (current["tier"], current["top"]) if current else (None, None)

    def _log(self, fact: Feature | Score, event: Event, *, current: bool) -> list[Event] | None:
        """Events of a fact's key that sort before a payment (or are it), of those since its last silence of a ttl."""
        key = [event.row[name] for name in fact.by.fields]
        if None in key:
            return None
        assert fact.of is not None
        past = [e for e in self.accepted[fact.of] if [e.row[name] for name in fact.by.fields] == key and e.order <= event.order]
        if fact.over is None:
            for place in range(len(past) - 1, 0, -1):
                if past[place].time - past[place - 1].time >= fact.ttl:
                    past = past[place:]
                    break
            if past and event.time - past[-1].time >= fact.ttl:
                past = []
        return past if current else [e for e in past if e.order != event.order]

    def _feature(self, spec: Feature, event: Event) -> Any:
        before = spec.exclude_current or spec.aggregate in ("previous", "since_last", "is_new")
        log = self._log(spec, event, current=not before)
        if log is None:
            return None
        window = [e for e in log if e.time <= event.time - spec.delay and not self._gone(spec, e.time, event.time)]
        if spec.name in WHERE:
            window = [e for e in window if WHERE[spec.name](e.row)]
        if spec.aggregate == "count":
            return len(window)
        if spec.aggregate == "since_last":
            return event.time - window[-1].time if window else None
        field = "kind" if spec.name in ("kinds", "fresh", "newest") else "amount"
        return self._aggregate(spec, [e.row[field] for e in window], event.row[field])

    def _gone(self, spec: Feature, time: int, now: int) -> bool:
        if spec.over is None:
            return False
        if spec.every:
            pane_end = (time // spec.every + 1) * spec.every - 1
            return pane_end <= now - spec.delay - spec.over
        return time <= now - spec.delay - spec.over

    def _aggregate(self, spec: Feature, all_values: list[Any], current: Any) -> Any:
        values = [value for value in all_values if value is not None]
        match spec.aggregate:
            case "previous" | "last":
                return all_values[-1] if all_values else None
            case "is_new":
                return None if current is None else current not in values
            case "sum":
                return sum(values)
            case "distinct":
                return len(set(values))
        if not values or (spec.aggregate == "std" and len(values) < 2):
            return None
        match spec.aggregate:
            case "max" | "min":
                return max(values) if spec.aggregate == "max" else min(values)
            case "mean":
                return float(Fraction(sum(values), 100 * len(values)))
            case "std":
                return statistics.stdev([value / 100 for value in values])
        return statistics.median([value / 100 for value in values])

    def _score(self, spec: Score, event: Event) -> Any:
        """Learn the key's whole past anew up to a payment."""
        log = self._log(spec, event, current=True)
        if log is None:
            return None
        learnt: list[tuple[int, float]] = []
        score = None
        for e in log:
            x = e.row["amount"]
            score = None
            if x is None or (spec.name in WHERE and not WHERE[spec.name](e.row)):
                continue
            oldest = EVER if spec.over is None else e.time - spec.delay - spec.over
            values = [value for time, value in learnt if oldest <= time < e.time - spec.delay]
            if len(values) >= max(2, spec.min_count) and (std := statistics.stdev(values)) > 0:
                score = abs(x / 100 - statistics.fmean(values)) / std
            if score is None or spec.learn_below is None or score < spec.learn_below:
                learnt.append((e.time, x / 100))
        assert score is None or math.isfinite(score)
        return score
