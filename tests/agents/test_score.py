"""The score tier: outside of the thresholds it decides, a model is what its description says, and it runs no code."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from agents.inbox.plan import Planner
from agents.inbox.record import Flag, Record, read_record
from agents.policy import Policy, policy_of
from agents.routing.inhibition import Sources
from agents.tiers.score import conditions, scorers
from models.application.load import load
from models.detectors.registry import ModelProblem, save
from models.detectors.registry import load as load_model
from tests.agents.flags import BEGIN, flag

APPLICATION = """tocsin: 1
name: bank
streams: {tx: {time: ts, fields: {ts: timestamp, customer_id: string, amount: "decimal(12,2)"}}}
scores: {amount_z: {zscore: amount, by: customer_id, over: 30d}}
patterns: {takeover: {on: tx, by: customer_id, when: amount > 1 and amount_z > 1}}
respond: {responders: {r: {score: {model: risk@2, dismiss_below: 0.1, block_above: 0.9}, default: watch}}}
"""
FEATURES = {"amount": "evidence_sum.amount", "z": "scores.amount_z"}


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    (tmp_path / "app.yaml").write_text(APPLICATION)
    found = policy_of(load(tmp_path / "app.yaml"))
    assert found is not None
    return found


def trained() -> Any:
    """Large amounts are bad."""
    amounts = np.linspace(0, 200, 400)
    rows = np.column_stack([amounts, np.full(400, 3.0)])
    return make_pipeline(SimpleImputer(), LogisticRegression(C=1e6)).fit(rows, amounts > 100)


def test_only_the_band_goes_on(policy: Policy, tmp_path: Path) -> None:
    save(tmp_path / "models", "risk@2", trained(), FEATURES)
    scores = scorers(policy.respond)
    records = [flag(1, amount="1.00"), flag(2, amount="199.00"), flag(3, amount="100.00"), flag(4, scores={}, amount="199.00")]
    flags = [read_record(Record("f", 0, i, json.dumps(each).encode())) for i, each in enumerate(records)]
    planned = Planner(policy, scores, conditions(scores)).plan([f for f in flags if isinstance(f, Flag)], (), Sources({}), BEGIN)
    found = [planned.decisions[each["id"]][0].decision for each in records]
    assert [(row["verdict"], row["tier"]) for row in found] == [
        ("dismiss", "score"), ("block", "score"), ("watch", "default:score_band"), ("block", "score"),
    ]  # fmt: skip
    entry = planned.decisions[records[2]["id"]][0].audit
    assert entry is not None and entry.body["trail"][0]["model"] == "risk@2"


def test_a_model_that_was_changed_is_refused(tmp_path: Path) -> None:
    save(tmp_path, "risk@2", trained(), FEATURES)
    path = tmp_path / "risk@2.skops"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ModelProblem, match="model risk@2: expected sha256 .*; train it again or restore the file"):
        load_model(tmp_path, "risk@2")


def test_a_model_that_would_run_code_is_refused(tmp_path: Path) -> None:
    save(tmp_path, "odd@1", make_pipeline(FunctionTransformer(pickle.loads), LogisticRegression()), FEATURES)
    with pytest.raises(ModelProblem, match="model odd@1: it holds types that no model of scikit-learn needs: .*loads"):
        load_model(tmp_path, "odd@1")


@pytest.mark.parametrize(
    ("features", "message"),
    [(None, r"app.yaml:6:\d+: model risk@2: .*risk@2.json: No such file or directory; train it, or name the folder as registry"),
     ({"a": "amout"}, r"app.yaml:6:\d+: model risk@2: feature 'a': unknown name 'amout' \(did you mean amount\?\)"),
     ({"a": "customer_id"}, r"app.yaml:6:\d+: model risk@2: feature 'a': expected a number or condition; found string")],
)  # fmt: skip
def test_a_model_that_does_not_fit_is_told(features: dict[str, str] | None, message: str, policy: Policy, tmp_path: Path) -> None:
    if features is not None:
        save(tmp_path / "models", "risk@2", trained(), features)
    with pytest.raises(ModelProblem, match=message):
        scorers(policy.respond)
