"""zscore against the definition over all that was learnt: numbers, edges, learn_below, delay, and what a restart leaves."""

from __future__ import annotations

import math
import statistics
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.operators.zscore import ZScores
from models.application.resolved.facts import Score
from models.application.resolved.places import By
from models.expressions.expression import Expression
from models.expressions.tree import Node
from models.values.column import Column
from models.values.types import FLOAT

Row = tuple[int, int, float]
VALUE = Expression("x", Node("column", FLOAT, "x", value="x"))


def scored(score: Score, rows: list[Row], cuts: list[int]) -> list[float | None]:
    """Scores of (slot, time, value) rows, saved and restored at every cut."""
    found: list[float | None] = []
    machine = ZScores([score])
    for start, stop in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        part = rows[start:stop]
        values = Column(FLOAT, np.array([row[2] for row in part], np.float64), None)
        slot, time = (np.array([row[i] for row in part], np.int64) for i in (0, 1))
        column = machine.process(slot, time, {("s", ("k",)): None}, {}, {"z": values}, {})["z"]
        found += [column.at(row) for row in range(len(part))]
        state, machine = machine.snapshot(), ZScores([score])
        machine.restore(state)
    return found


def defined(score: Score, rows: list[Row]) -> list[float | None]:
    """The same by the definition, with exact fractions."""
    learnt: list[Row] = []
    found: list[float | None] = []
    for slot, time, value in rows:
        now = time - score.delay
        window = [v for s, t, v in learnt if s == slot and t < now and (score.over is None or t >= now - score.over)]
        result = None
        if len(window) >= max(score.min_count, 2):
            exact = [Fraction(v) for v in window]
            std = math.sqrt(statistics.variance(exact))
            result = abs(value - float(statistics.mean(exact))) / std if std else None
        found.append(result)
        if result is None or score.learn_below is None or result < score.learn_below:
            learnt.append((slot, time, value))
    return found


rows = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4), st.sampled_from([0.0, 1.0, 2.5, -3.1, 0.1, 1e9])), max_size=40)


@given(
    rows,
    st.sampled_from([None, 3, 10]),
    st.sampled_from([0, 2]),
    st.sampled_from([None, 1.5]),
    st.lists(st.integers(0, 40), max_size=2),
)
@settings(max_examples=200)
def test_as_defined(steps: list[Row], over: int | None, delay: int, learn_below: float | None, cuts: list[int]) -> None:
    """Over random events with ties, however cut and restarted."""
    time, events = 0, []
    for slot, step, value in steps:
        time += step
        events.append((slot, time, value))
    score = Score("z", 0, "zscore", "s", By(("k",), ("k",)), VALUE, over, delay=delay, learn_below=learn_below, ttl=10**15)
    found = scored(score, events, sorted(min(cut, len(events)) for cut in cuts))
    assert found == [None if want is None else pytest.approx(want, rel=1e-12, abs=1e-12) for want in defined(score, events)]
