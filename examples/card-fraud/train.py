"""Trains the score of examples/card-fraud: how likely a flag is about a fraud, from a generated bank whose frauds are labelled.

Run it as .venv/bin/python examples/card-fraud/train.py; the same banks give the same model.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent))

import numpy as np  # noqa: E402
from sklearn.impute import SimpleImputer  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.metrics import roc_auc_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

from agents.routing.columns import FlagColumns, names_of  # noqa: E402
from agents.tiers.score import numbers  # noqa: E402
from dataflows.generate.bank import Size  # noqa: E402
from dataflows.generate.write import generate_bank, inputs_of  # noqa: E402
from dataflows.running import Job, run_here  # noqa: E402
from models.application.load import load  # noqa: E402
from models.detectors.registry import save  # noqa: E402
from models.expressions.compile import compile_expression  # noqa: E402

FEATURES = {
    "large": "pattern = 'large_amount'",
    "raised": "pattern = 'raised_amounts'",
    "travel": "pattern = 'impossible_travel'",
    "terminal": "pattern = 'compromised_terminal'",
    "asleep": "pattern = 'dormancy_wake_up'",
    "mule": "pattern = 'mule_pass_through'",
    "amount": "ln(1 + evidence_sum.amount)",
    "online": "channel = 'online'",
    "hour": "extract(hour from time)",
}
SEEDS = (101, 102, 103)
LAX = {"large": "100", "raised": "2", "payout": "100"}
"""The application's own parameters raise hardly a wrong flag, of which nothing could be learnt."""


def main() -> None:
    """Flags of three banks, their labels, a logistic regression."""
    rows, frauds = [], []
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as folder:
            flags, labels = flagged(Path(folder), seed)
        columns = numbers_of(flags)
        rows.append(columns)
        frauds += [any(event["id"] in labels for event in flag["data"]["evidence"]) for flag in flags]
    features, truth = np.concatenate(rows), np.array(frauds)
    pipeline = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000))
    pipeline.fit(features, truth)
    made = save(HERE / "models", "fraud-risk@1", pipeline, FEATURES)
    area = roc_auc_score(truth, made.score(features))
    print(f"{made.ref}: {len(truth)} flags, {truth.sum()} of frauds, area under the curve {area:.3f}; sha256 {made.sha256}")


def flagged(folder: Path, seed: int) -> tuple[list[dict[str, Any]], set[str]]:
    """A bank's flags, and the ids of events that belong to frauds."""
    generate_bank(folder, Size(2000, 4000, 25), seed=seed, episodes=10)
    loaded = load(HERE / "app.yaml", inputs=inputs_of(folder), params=LAX)
    path = folder / "flags.jsonl"
    run_here(Job(replace(loaded, outputs=replace(loaded.outputs, to=str(path), late=None, dead_letters=None)), 8, lambda: "now"))
    with (folder / "labels.csv").open() as file:
        labels = {row["id"] for row in csv.DictReader(file)}
    return [json.loads(line) for line in path.read_text().splitlines()], labels


def numbers_of(flags: list[dict[str, Any]]) -> Any:
    """float64[n, features], as the score tier makes them."""
    respond = load(HERE / "app.yaml").respond
    assert respond is not None
    features = [compile_expression(text, respond.scope, respond.facts) for text in FEATURES.values()]
    columns = FlagColumns(flags, names_of(features))
    return np.column_stack([numbers(feature.column(columns, len(flags))) for feature in features])


if __name__ == "__main__":
    main()
