"""Features that share their windows: which rows count, how far back, and what a kernel is told of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dataflows.operators import layout as k
from models.application.resolved.facts import Feature
from models.values.types import Kind, Type

_BEFORE = frozenset({"previous", "since_last", "is_new"})
_TAKES_NULLS = frozenset({"previous", "first", "last"})
_KINDS = {"count": k.COUNT, "sum": k.SUM, "mean": k.MEAN, "ratio": k.MEAN, "std": k.STD, "distinct": k.DIFFERENT,
          "is_new": k.IS_NEW, "first": k.FIRST, "last": k.LAST, "quantile": k.QUANTILE, "previous": k.PREVIOUS,
          "since_last": k.SINCE_LAST}  # fmt: skip
_EXTREMES = {("min", False): k.MIN_INT, ("max", False): k.MAX_INT, ("min", True): k.MIN_FLOAT, ("max", True): k.MAX_FLOAT}
_FAMILIES = {"std": k.SPREAD, "distinct": k.DISTINCT, "is_new": k.DISTINCT, "min": k.EXTREME, "max": k.EXTREME}
_SUMS = (k.SUMS_INT, k.SUMS_FLOAT)

Mask = tuple[str | None, str | None]
"""Which rows count: those that pass a condition, and those where a value is not NULL."""


class Output(NamedTuple):
    """A result column: of a feature, or of one field of its whole event; ``value`` "" where it is of no value."""

    feature: Feature
    name: str
    value: str
    value_type: Type | None

    @property
    def type(self) -> Type:
        """The result's type."""
        return self.value_type if self.feature.event and self.value_type is not None else self.feature.type

    @property
    def is_float(self) -> bool:
        """Whether its value is a float."""
        return self.value_type is not None and self.value_type.kind is Kind.FLOAT


class Aggregate(NamedTuple):
    """One number to compute; ``param``: which (of previous), or 1 for a sum of decimals."""

    kind: int
    value: str
    is_float: bool
    param: int
    scale: float
    q: float


@dataclass(slots=True)
class Group:
    """Aggregates over the same entries: they share pointers, the count, and what their family keeps.

    window: (over, delay, every, whether the current event is left out, ttl); value: what a sum, an extreme or a spread is of (""
    for a mere count); outputs: each with its place in ``aggregates``.
    """

    window: tuple[int, int, int, bool, int]
    mask: Mask
    family: int
    value: str
    op: int
    kept: int = 0
    aggregates: list[Aggregate] = field(default_factory=list)
    outputs: list[tuple[Output, int]] = field(default_factory=list)

    def holds(self, other: Group) -> bool:
        """Whether another group's features can be computed by this one; a mere count fits every sum."""
        if (self.window, self.mask) != (other.window, other.mask):
            return False
        if self.family in _SUMS and other.family in _SUMS:
            return other.value in ("", self.value)
        return (self.family, self.value, self.op) == (other.family, other.value, other.op)

    def add(self, output: Output) -> None:
        """Take in a feature; equal aggregates are computed once."""
        kept = _kept(output.feature)
        self.kept = -1 if min(self.kept, kept) < 0 else max(self.kept, kept)
        wanted = _aggregate(output, self.op)
        if wanted not in self.aggregates:
            self.aggregates.append(wanted)
        self.outputs.append((output, self.aggregates.index(wanted)))


class Described(NamedTuple):
    """Groups as kernels read them (see ``layout``).

    outs: of a group of sums, which aggregate is its count, sum and mean (-1 for none), whether it is of decimals, and its scale;
    widths: columns of a slot's state and of an entry.
    """

    groups: NDArray[np.int64]
    scales: NDArray[np.float64]
    aggregates: NDArray[np.int64]
    reals: NDArray[np.float64]
    bits: NDArray[np.int64]
    outs: list[tuple[int, int, int, bool, float]]
    state_width: int
    entry_width: int


def outputs_of(features: Sequence[Feature]) -> Iterator[Output]:
    """The result columns of features; one a field of a whole event."""
    for feature in features:
        if feature.event:
            for name in feature.event_fields:
                yield Output(feature, f"{feature.name}.{name}", f"event {name}", feature.event_types[name])
        elif feature.value is None:
            yield Output(feature, feature.name, "", None)
        else:
            yield Output(feature, feature.name, feature.value.canonical, feature.value.type)


def grouped(outputs: Sequence[Output]) -> list[Group]:
    """Result columns of one log in as few groups as can be."""
    groups: list[Group] = []
    for output in sorted(outputs, key=lambda output: output.feature.aggregate == "count"):
        group = _group(output)
        found = next((other for other in groups if other.holds(group)), group)
        if found is group:
            groups.append(group)
        found.add(output)
    return groups


def masks_of(groups: Sequence[Group]) -> list[Mask]:
    """All ways in which some rows do not count, each once."""
    return list(dict.fromkeys(group.mask for group in groups if group.mask != (None, None)))


def described(groups: Sequence[Group], values: Sequence[str], masks: Sequence[Mask]) -> Described:
    """Groups as arrays, and where each of them has its place in the state of a slot."""
    rows: list[list[int]] = []
    aggregates: list[Aggregate] = []
    at, extra = k.RING, 2 + len(values)
    for group in groups:
        slides = group.family == k.EXTREME and group.window[0] != k.ALL
        value = values.index(group.value) if group.value else -1
        bit = 0 if group.mask == (None, None) else 1 << masks.index(group.mask)
        over, delay, every, before, ttl = group.window
        begin, end = len(aggregates), len(aggregates) + len(group.aggregates)
        rows.append([over, delay, every, group.kept, ttl, before, group.family, value, bit, at, group.op, extra, begin, end])
        aggregates.extend(group.aggregates)
        at += k.GROUP + k.KEEPS[group.family]
        extra += slides
    return Described(
        np.array(rows, np.int64),
        np.array([_scale(group) for group in groups]),
        np.array([[a.kind, values.index(a.value) if a.value else -1, a.is_float, a.param] for a in aggregates], np.int64),
        np.array([[a.scale, a.q] for a in aggregates]),
        np.array([1 << place for place in range(len(masks))], np.int64),
        [_outs(group, int(row[k.BEGIN])) for group, row in zip(groups, rows, strict=True)],
        -(-at // 8) * 8,
        extra,
    )


def _group(output: Output) -> Group:
    feature = output.feature
    optional = output.value_type is not None and (
        output.value_type.optional or feature.value is None or feature.value.root.op != "column"
    )
    takes_nulls = feature.aggregate in _TAKES_NULLS and not feature.skip_null
    skips = output.value if optional and not takes_nulls and feature.aggregate != "ratio" else None
    over = int(k.ALL) if feature.over is None else feature.over
    before = feature.exclude_current or feature.aggregate in _BEFORE
    window = (over, feature.delay, feature.every or 0, before, feature.ttl if feature.over is None else 0)
    mask = (feature.where.canonical if feature.where else None, skips)
    default = k.PLACES
    if feature.aggregate in ("count", "sum", "mean", "ratio"):
        default = k.SUMS_FLOAT if output.is_float else k.SUMS_INT
    family = _FAMILIES.get(feature.aggregate, default)
    value = "" if family == k.PLACES else output.value
    return Group(window, mask, family, value, _EXTREMES.get((feature.aggregate, output.is_float), 0))


def _aggregate(output: Output, op: int) -> Aggregate:
    feature, type_ = output.feature, output.value_type
    kind = _KINDS.get(feature.aggregate, op)
    param = feature.n if feature.aggregate == "previous" else 0
    if feature.aggregate == "sum":
        param = int(type_ is not None and type_.kind is Kind.DECIMAL)
    scale = 10.0 ** (type_.scale if type_ else 0)
    return Aggregate(kind, output.value, output.is_float, param, scale, feature.q if feature.aggregate == "quantile" else 0.0)


def _kept(feature: Feature) -> int:
    """How many entries an ``over: all`` aggregate still needs once they are counted; -1: all of them."""
    if feature.over is not None:
        return 0
    if feature.aggregate in ("std", "distinct", "quantile", "is_new", "first"):
        return -1
    if feature.aggregate in ("sum", "mean") and feature.value is not None and feature.value.type.kind is Kind.FLOAT:
        # Should an addition not be exact, the sum is taken anew from all of the log.
        return -1
    if feature.aggregate in ("previous", "last", "since_last"):
        return -1 if feature.where is not None or feature.skip_null else feature.n
    return 0


def _scale(group: Group) -> float:
    """What whole numbers are divided by for a spread; 0 for floats."""
    first = group.aggregates[0]
    return 0.0 if first.is_float else first.scale


def _outs(group: Group, begin: int) -> tuple[int, int, int, bool, float]:
    places = {aggregate.kind: begin + place for place, aggregate in enumerate(group.aggregates)}
    decimal = any(aggregate.kind == k.SUM and aggregate.param == 1 for aggregate in group.aggregates)
    scale = max(aggregate.scale for aggregate in group.aggregates)
    return places.get(k.COUNT, -1), places.get(k.SUM, -1), places.get(k.MEAN, -1), decimal, scale
