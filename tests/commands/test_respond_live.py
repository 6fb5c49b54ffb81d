"""``tocsin respond`` as a process: flags in, webhooks out, people's answers over the API; stopped and started again."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from agents.effects.signing import verify
from dataflows.commands.app import command
from tests.agents.flags import flag, written
from tests.agents.messages import SECRET
from tests.agents.receiver import Receiver, receiving

APPLICATION = """tocsin: 1
name: bank
streams: {{tx: {{time: ts, fields: {{ts: timestamp, customer_id: string, amount: "decimal(12,2)", country: string}}}}}}
patterns: {{takeover: {{on: tx, by: customer_id, when: amount > 1}}}}
endpoints:
  core: {{url: "{url}", secret: "${{CORE_SECRET}}", private: [127.0.0.0/8]}}
teams: {{analysts: {{notify: [core]}}}}
respond:
  responders:
    review:
      rules: {{tiny: {{when: evidence_sum.amount < 20, verdict: dismiss}}}}
      human: {{levels: [{{to: analysts, within: 15m}}], default: dismiss, verdicts: [block, dismiss]}}
      actions: {{block: [{{webhook: core}}, {{topic: decisions}}], dismiss: [{{topic: decisions}}]}}
"""
TOKEN = "admin-token-0000000"
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("CORE_SECRET", SECRET)
    monkeypatch.setenv("TOCSIN_API_TOKENS", f"ada:admin:{TOKEN}")
    monkeypatch.chdir(tmp_path)
    with receiving() as found:
        Path("app.yaml").write_text(APPLICATION.format(url=found.url))
        yield found


@contextmanager
def _process() -> Iterator[httpx2.Client]:
    arguments = [sys.executable, "-m", "dataflows", "respond", "app.yaml", "--flags", "flags.jsonl", "--listen", "0"]
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, env=_environment(), cwd=Path.cwd())
    assert process.stderr is not None
    try:
        port = next(found[1] for line in process.stderr if (found := re.search(r"API on http://127.0.0.1:(\d+)", line)))
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers={"authorization": f"Bearer {TOKEN}"}, timeout=30) as client:
            yield client
        process.send_signal(signal.SIGTERM)
        rest = process.communicate(timeout=60)[1]
        assert process.returncode == 0, rest
        assert "Traceback" not in rest
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(ROOT)}


def _until(look: Callable[[], Any]) -> Any:
    """What is there sooner or later."""
    import time

    for _ in range(600):
        if found := look():
            return found
        time.sleep(0.1)
    raise AssertionError("it did not come within a minute")


def test_flags_become_tasks_answers_and_webhooks_once(receiver: Receiver, capfd: pytest.CaptureFixture[str]) -> None:
    written(Path("flags.jsonl"), flag(1), flag(2))
    with _process() as client:
        tasks = _until(
            lambda: found if len(found := client.get("/v1/tasks", params={"state": "open"}).json()["items"]) == 2 else None
        )
        path = f"/v1/tasks/{tasks[0]['id']}"
        etag = client.get(path).headers["etag"]
        assert client.post(f"{path}/answer", json={"verdict": "block"}, headers={"if-match": etag}).status_code == 200
        _until(lambda: len(receiver.requests) >= 3)
        assert "tocsin_decisions_total" in client.get("/metrics").text
    assert all(
        verify([SECRET], each.headers, each.body, int(each.headers["webhook-timestamp"]) * 1_000_000) == "ok"
        for each in receiver.requests
    )
    kinds = [json.loads(each.body)["type"] for each in receiver.requests]
    assert sorted(kinds) == ["tocsin.action.v1", "tocsin.task.v1", "tocsin.task.v1"]
    with _process() as client:
        assert len(client.get("/v1/tasks", params={"state": "open"}).json()["items"]) == 1
        [done] = client.get("/v1/deliveries", params={"state": "done", "endpoint": "decisions"}).json()["items"]
        assert done["kind"] == "topic"
    assert max(receiver.keys.values()) == 1 and len(receiver.requests) == 3
    [line] = Path("decisions.jsonl").read_text().splitlines()
    assert json.loads(line)["data"]["verdict"] == "block"
    assert command(["audit", "verify"]) == 0
    told = next(each for each in (flag(1), flag(2)) if each["id"] == done["flag_id"])
    assert command(["why", told["id"], "--flags", "flags.jsonl"]) == 0
    said = capfd.readouterr().out
    assert "  review decided block by human at " in said
    assert "    webhook core: done (ok 200), key " in said
    assert re.search(r"task of analysts, level 1: answered block by ada", said)


def test_an_endpoint_without_its_secret_is_told_before_anything_runs(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    written(Path("flags.jsonl"), flag(1))
    arguments = ["respond", "app.yaml", "--flags", "flags.jsonl", "--once"]
    monkeypatch.setenv("CORE_SECRET", "hunter2")
    assert command(arguments) == 1
    assert "endpoint 'core': expected its secret as whsec_BASE64" in capfd.readouterr().err
    monkeypatch.delenv("CORE_SECRET")
    assert command(arguments) == 1
    assert "expected the environment variable CORE_SECRET; it is not set" in capfd.readouterr().err
    assert command([*arguments, "--replay"]) == 0
    assert receiver.requests == []
