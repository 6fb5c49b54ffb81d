"""The support desk's sample: each flag is answered as the page says, once, without a model's key."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from dataflows.commands.app import command

FOLDER = Path(__file__).parent.parent.parent / "examples" / "support-desk"


def test_the_sample_s_flags_are_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Again is the same again: nothing is done twice."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    folder = tmp_path / "desk"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("out", "ledger*"))
    application = str(folder / "app.yaml")
    assert command(["run", application]) == 0
    for _ in range(2):
        assert command(["respond", application, "--once"]) == 0
        assert json.loads(capfd.readouterr().out or "null") is None
        jobs = [json.loads(line) for line in (folder / "out" / "summary-jobs.jsonl").read_text().splitlines()]
        assert Counter(job["data"]["verdict"] for job in jobs) == {"summarise": 2}
        published = [json.loads(line)["subject"] for line in (folder / "out" / "published-uploads.jsonl").read_text().splitlines()]
        assert sorted(published) == ["upload_id/u1", "upload_id/u5"]
        decided = [json.loads(line)["data"] for line in (folder / "out" / "decisions.jsonl").read_text().splitlines()]
        assert Counter(each["verdict"] for each in decided) == {"ask_shop": 2, "call": 1}
    assert command(["respond", application, "--once", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["open"] == [{"stage": "human", "count": 2}]
