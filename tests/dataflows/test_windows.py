"""Windows equal a brute-force reading for every aggregate, however the rows are cut."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.operators.windows import Windows
from models.application.resolved.facts import Feature
from models.application.resolved.places import By
from models.expressions.compile import compile_expression
from models.expressions.scope import Constant, Symbol, Unknown
from models.values.column import column_of
from models.values.types import BOOL, FLOAT, INT, INTERVAL, Type

BY = By(("card",), ("card",))
LOG = ("tx", ("card",))
OPTIONAL = Type(FLOAT.kind, optional=True)


class Scope:
    """One optional amount."""

    def lookup(self, parts: tuple[str, ...], role: tuple[str, ...] | None) -> Symbol | Unknown:
        return Symbol(parts[0], OPTIONAL)

    def param(self, name: str) -> Constant | None:
        return None

    def names(self) -> Iterable[str]:
        return ["amount"]


AMOUNT = compile_expression("amount", Scope())
RESULT = {"count": INT, "distinct": INT, "since_last": INTERVAL, "is_new": BOOL}
AGGREGATES = [
    "count",
    "sum",
    "mean",
    "min",
    "max",
    "std",
    "distinct",
    "first",
    "last",
    "quantile",
    "previous",
    "since_last",
    "is_new",
]


def feature(aggregate: str, over: int | None, delay: int, exclude: bool) -> Feature:
    """A feature over the amount."""
    value = None if aggregate in ("count", "since_last") else AMOUNT
    type_ = RESULT.get(aggregate, FLOAT)
    return Feature("f", 0, aggregate, "tx", BY, type_, value, over=over, delay=delay, exclude_current=exclude)  # type: ignore[arg-type]


def expected(rows: list[tuple[int, int, float | None]], at: int, spec: Feature) -> Any:
    """The value at one row, read from the whole list."""
    key, t, current = rows[at]
    before = spec.aggregate in ("previous", "since_last", "is_new")
    past = [r for i, r in enumerate(rows[: at + 1]) if r[0] == key and not (i == at and (spec.exclude_current or before))]
    low = -math.inf if spec.over is None else t - spec.over - spec.delay
    window = [r for r in past if low < r[1] <= t - spec.delay]
    values = [value for _, _, value in window if value is not None]
    match spec.aggregate:
        case "count":
            return len(window)
        case "sum":
            return math.fsum(values)
        case "distinct":
            return len(set(values))
        case "first":
            return window[0][2] if window else None
        case "last" | "previous":
            return window[-1][2] if window else None
        case "since_last":
            return t - window[-1][1] if window else None
        case "is_new":
            return None if current is None else current not in values
        case "std":
            return statistics.stdev(values) if len(values) > 1 else None
    if not values:
        return None
    functions = {"mean": lambda: math.fsum(values) / len(values), "min": lambda: min(values), "max": lambda: max(values),
                 "quantile": lambda: float(np.quantile(values, 0.5))}  # fmt: skip
    return functions[spec.aggregate]()


row = st.tuples(st.integers(0, 2), st.integers(0, 6), st.one_of(st.none(), st.sampled_from([0.1, 0.2, 0.3, 1e16, -1e16, 2.5])))


@pytest.mark.parametrize("aggregate", AGGREGATES)
@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(row, min_size=1, max_size=40),
    over=st.sampled_from([None, 3, 10]),
    delay=st.sampled_from([0, 2]),
    exclude=st.booleans(),
    cut=st.integers(1, 40),
)
def test_window_equals_brute_force(
    aggregate: str, steps: list[tuple[int, int, float | None]], over: int | None, delay: int, exclude: bool, cut: int
) -> None:
    """Laws 1 and 9: the same values as a walk over the whole past, for every cut into batches."""
    spec = feature(aggregate, over, delay, exclude)
    times = np.cumsum([gap for _, gap, _ in steps])
    rows = [(key, int(t), value) for (key, _, value), t in zip(steps, times, strict=True)]
    windows = Windows([spec])
    found: list[Any] = []
    for begin in range(0, len(rows), cut):
        part = rows[begin : begin + cut]
        slot, time = np.array([r[0] for r in part]), np.array([r[1] for r in part])
        values = {"f": column_of(OPTIONAL, [r[2] for r in part])} if spec.value else {}
        found += windows.process(slot, time, {LOG: None}, {"f": None}, values, {}, {})["f"].to_list()
    for at, value in enumerate(found):
        want = expected(rows, at, spec)
        assert value == (pytest.approx(want, rel=1e-12) if isinstance(want, float) and aggregate in ("std", "quantile") else want)
