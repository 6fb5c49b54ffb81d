"""The score tier: a trained model decides outside of two thresholds; only the band between them goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agents.routing.columns import FlagColumns
from agents.tiers.outcome import Abstain, Decide
from models.application.respond.resolved import Respond, ScoreTier
from models.detectors.registry import Detector, ModelProblem, load
from models.expressions.compile import ExpressionError, compile_expression
from models.expressions.expression import Expression
from models.values.column import Column
from models.values.types import Kind

SCORE = "score"
BAND = "score_band"
_TAKEN = frozenset({Kind.BOOL, Kind.INT, Kind.FLOAT, Kind.DECIMAL, Kind.INTERVAL, Kind.NULL})


@dataclass(frozen=True, slots=True)
class Scorer:
    """A responder's score tier with its model."""

    tier: ScoreTier
    detector: Detector
    features: tuple[Expression, ...]

    def __call__(self, flags: FlagColumns) -> Sequence[Decide | Abstain]:
        """What the model says of each flag."""
        n = len(flags.events)
        columns = [numbers(feature.column(flags, n)) for feature in self.features]
        scores = self.detector.score(np.column_stack(columns))
        return [self._judged(float(score)) for score in scores]

    def _judged(self, score: float) -> Decide | Abstain:
        told = {"model": self.detector.ref, "sha256": self.detector.sha256, "score": round(score, 6)}
        below, above = self.tier.below, self.tier.above
        if below is not None and score < below[1]:
            return Decide(below[0], SCORE, confidence=round(1 - score, 6), trail=told)
        if above is not None and score > above[1]:
            return Decide(above[0], SCORE, confidence=round(score, 6), trail=told)
        return Abstain(BAND, told)


def scorers(respond: Respond) -> dict[str, Scorer]:
    """The score tiers of an application by responder, their models loaded.

    Raises:
        ModelProblem: for a model that is missing or does not fit the application's flags.
    """
    tiers = {name: responder.score for name, responder in respond.responders.items() if responder.score is not None}
    return {name: _scorer(respond, tier) for name, tier in tiers.items()}


def conditions(found: dict[str, Scorer]) -> list[Expression]:
    """All that models read of flags."""
    return [feature for scorer in found.values() for feature in scorer.features]


def _scorer(respond: Respond, tier: ScoreTier) -> Scorer:
    try:
        detector = load(Path(respond.registry), tier.model)
    except ModelProblem as problem:
        raise ModelProblem(f"{tier.position}: {problem}") from None
    return Scorer(tier, detector, tuple(_feature(respond, tier, name, text) for name, text in detector.features.items()))


def _feature(respond: Respond, tier: ScoreTier, name: str, text: str) -> Expression:
    try:
        found = compile_expression(text, respond.scope, respond.facts)
    except ExpressionError as error:
        raise ModelProblem(f"{tier.position}: model {tier.model}: feature {name!r}: {error}") from None
    if found.type.kind not in _TAKEN:
        wrong = f"expected a number or condition; found {found.type.required()}"
        raise ModelProblem(f"{tier.position}: model {tier.model}: feature {name!r}: {wrong}")
    return found


def numbers(column: Column) -> NDArray[np.float64]:
    """float64[n], NaN where NULL."""
    values = np.asarray(column.values, np.float64) / 10.0**column.type.scale
    return values if column.valid is None else np.where(column.valid, values, np.nan)
