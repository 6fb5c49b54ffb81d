"""Captured Debezium records: every one is read as what it is."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from dataflows.decoding.strict import Number
from models.events.debezium import read_change

FOLDER = Path(__file__).parent.parent.parent.parent / "shared" / "data" / "debezium"
FILES = sorted(path for path in FOLDER.glob("*.jsonl") if path.stem not in ("cloudevents", "outbox_default", "outbox_expanded"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_record_is_known(path: Path) -> None:
    """No record is of an unknown kind, and every change has an op and a time."""

    def parse(text: str) -> object:
        return json.loads(text, parse_int=Number, parse_float=Number)

    changes = [read_change(parse(line), parse) for line in path.read_text().split("\n") if line]  # type: ignore[arg-type]
    kinds = Counter(change.kind for change in changes)
    assert not kinds["unknown"]
    assert kinds["change"]
    if not path.stem.startswith("flat_default"):
        assert all(change.op for change in changes if change.kind == "change")
