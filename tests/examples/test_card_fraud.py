"""The example finds what is planted in a bank that it was not tuned on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agents.tiers.score import scorers
from dataflows.generate.bank import Size
from dataflows.generate.score import KindScore, score
from dataflows.generate.write import generate_bank, inputs_of
from dataflows.running import Job, run_here
from models.application.load import load

APPLICATION = Path(__file__).parent.parent.parent / "examples" / "card-fraud" / "app.yaml"
DAYS = 25
AT_LEAST = {
    "large_amount": (0.8, 0.9), "compromised_terminal": (0.5, 0.7), "raised_amounts": (0.75, 0.9), "card_testing": (0.9, 0.9),
    "impossible_travel": (0.9, 0.8), "dormancy_wake_up": (0.8, 0.8), "account_takeover": (0.9, 0.8), "mule_pass_through": (0.8, 0.6),
}  # fmt: skip
"""Recall of episodes and precision of flags, by kind."""


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, KindScore]:
    folder = tmp_path_factory.mktemp("bank")
    generate_bank(folder, Size(2000, 4000, DAYS), seed=11, episodes=10)
    loaded = load(APPLICATION, inputs=inputs_of(folder))
    outputs = replace(loaded.outputs, to=str(folder / "flags.jsonl"), late=None, dead_letters=None)
    run_here(Job(replace(loaded, outputs=outputs), 8, lambda: "now"))
    return {kind.kind: kind for kind in score(folder / "flags.jsonl", folder / "labels.csv")}


@pytest.mark.parametrize("kind", AT_LEAST)
def test_each_kind_is_found(kinds: dict[str, KindScore], kind: str) -> None:
    """Enough of its episodes, by flags of which enough are right."""
    recall, precision = AT_LEAST[kind]
    found = kinds[kind]
    assert found.found / found.planted >= recall, found
    assert found.right / found.flags >= precision, found


def test_flags_are_few(kinds: dict[str, KindScore]) -> None:
    """A handful a day."""
    assert sum(kind.flags for kind in kinds.values()) / DAYS < 15


def test_the_score_fits_the_flags() -> None:
    """The model that lies beside the file is whole, and the application's flags have what it reads."""
    respond = load(APPLICATION).respond
    assert respond is not None
    assert [scorer.detector.ref for scorer in scorers(respond).values()] == ["fraud-risk@1"]
