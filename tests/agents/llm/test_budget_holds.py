"""A hundred flags at once, room for ten calls, two processes: ten requests reach the model and ninety flags end for want of budget."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import func, select

from agents.inbox.files import FileInput
from agents.inbox.intake import Intake
from agents.inbox.plan import Planner
from agents.ledger.clock import SystemClock
from agents.ledger.ledger import Ledger
from agents.ledger.schema import budget, decision, llm_call
from agents.llm.prices import most_tokens
from agents.policy import policy_of
from agents.service import Service
from models.application.load import load
from tests.agents.flags import flag, written
from tests.agents.llm import scripted
from tests.agents.llm.budget_worker import respond

ROOT = Path(__file__).parents[3]
APPLICATION = """tocsin: 1
name: bank
streams:
  tx: {{time: ts, fields: {{ts: timestamp, customer_id: string, amount: "decimal(12,2)", country: string}}}}
patterns: {{takeover: {{on: tx, by: customer_id, when: amount > 1}}}}
respond:
  routes: [{{to: judge}}]
  prices: {{small: {{input_per_million: 0.4, output_per_million: 1.6}}, spare: {{input_per_million: 0.4, output_per_million: 1.6}}}}
  responders:
    judge:
      deadline: 10m
      llm:
        model: small
        fallback: spare
        prompt: judge.md
        fields: [amount, country]
        verdicts: [dismiss, block]
        reason_codes: [travel]
        budget: {{{budget}, timeout: {timeout}}}
        on_failure: hold
        slots: 32
"""


def exact() -> Any:
    """Answers, with as many tokens as the request can have at most."""

    async def behave(_: scripted.Server, request: dict[str, Any], send: scripted.Send) -> None:
        schema = orjson.dumps(request["response_format"]["json_schema"]["schema"]).decode()
        texts = [*(message["content"] for message in request["messages"]), schema]
        most = most_tokens(texts, len(request["messages"]))
        await scripted.reply(send, scripted.completion(scripted.good(), most, request["max_tokens"]))

    return behave


async def only_spare(server: scripted.Server, request: dict[str, Any], send: scripted.Send) -> None:
    """The first model is broken, the other one answers."""
    behave = scripted.answering({"error": {}}, 500) if request["model"] == "small" else exact()
    await behave(server, request, send)


def prepare(folder: Path, url: str, limit: str, timeout: str = "30s", flags: int = 100) -> Path:
    """An application file and a ledger with the flags in it, none of them answered."""
    folder.mkdir(exist_ok=True)
    (folder / "judge.md").write_text("Judge the case.")
    path = folder / "app.yaml"
    path.write_text(APPLICATION.format(budget=limit, timeout=timeout))
    policy = policy_of(load(path))
    assert policy is not None
    ledger, clock = Ledger(url), SystemClock()
    service = Service(ledger, policy, clock, Intake(ledger, Planner(policy), clock, None), [])
    source = FileInput(
        written(folder / "flags.jsonl", *(flag(i, amount=f"{100 + i}.00") for i in range(100, 100 + flags))), 0, whole=True
    )
    asyncio.run(service.once(source))
    source.close()
    ledger.close()
    return path


def work(path: Path, url: str, server: scripted.Server, processes: int) -> None:
    environment = {
        **os.environ,
        "OPENAI_API_KEY": "k",
        "OPENAI_BASE_URL": server.url,
        "TOCSIN_MASK_KEY": "kQeqJ6JQ3kq9l0m7x2oS8b1n5c4v3z6yT0rWfGhJkLM=",
    }
    command = [sys.executable, "-m", "tests.agents.llm.budget_worker", str(path), url]
    started = [subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(processes)]
    for each in started:
        _, errors = each.communicate(timeout=120)
        assert each.returncode == 0, errors


def outcome(url: str) -> tuple[Counter[str], int, int]:
    """Decisions by tier, calls, and the least that is left of any budget."""
    ledger = Ledger(url)
    tiers = ledger.look(lambda c: Counter(c.scalars(select(decision.c.tier)).all()))
    made = ledger.look(lambda c: c.scalar(select(func.count()).select_from(llm_call)))
    left = ledger.look(lambda c: c.scalar(select(func.min(budget.c.remaining))))
    ledger.close()
    return tiers, made, left


@pytest.fixture(scope="session")
def ten_calls_cost(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Money for ten calls, to the billionth."""
    folder = tmp_path_factory.mktemp("one")
    url = f"sqlite:///{folder / 'one.db'}"
    path = prepare(folder / "app", url, "calls_per_hour: 5", flags=1)
    with scripted.Running(exact()) as server:
        asyncio.run(respond(path, url, {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": server.url}))
    ledger = Ledger(url)
    reserved, cost = ledger.look(lambda c: c.execute(select(llm_call.c.reserved_nano, llm_call.c.cost_nano)).one())
    ledger.close()
    assert reserved == cost
    return f"per_day: {cost * 10 / 1e9:.9f} EUR"


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


def ten_and_ninety(path: Path, url: str) -> None:
    with scripted.Running(exact()) as server:
        work(path, url, server, 2)
        assert len(server.received) == 10
    tiers, made, left = outcome(url)
    assert tiers == {"llm": 10, "default:budget": 90} and made == 10 and left == 0


def test_calls(ledger_url: str, tmp_path: Path) -> None:
    ten_and_ninety(prepare(tmp_path / "app", ledger_url, "calls_per_hour: 10"), ledger_url)


def test_money(sqlite_url: str, tmp_path: Path, ten_calls_cost: str) -> None:
    ten_and_ninety(prepare(tmp_path / "app", sqlite_url, ten_calls_cost), sqlite_url)


def test_when_the_model_hangs(ledger_url: str, tmp_path: Path, ten_calls_cost: str) -> None:
    path = prepare(tmp_path / "app", ledger_url, ten_calls_cost, timeout="500ms")
    with scripted.Running(scripted.hang) as server:
        work(path, ledger_url, server, 2)
        assert len(server.received) <= 10
    tiers, made, left = outcome(ledger_url)
    assert made == 10 and left == 0 and tiers["default:budget"] >= 90 and sum(tiers.values()) == 100
    assert set(tiers) <= {"default:budget", "default:timeout", "default:breaker_open"}


def test_when_it_falls_back(sqlite_url: str, tmp_path: Path) -> None:
    path = prepare(tmp_path / "app", sqlite_url, "calls_per_hour: 10")
    with scripted.Running(only_spare) as server:
        work(path, sqlite_url, server, 2)
        assert len(server.received) == 10
    tiers, made, left = outcome(sqlite_url)
    assert made == 10 and left == 0 and sum(tiers.values()) == 100
    assert tiers["default:budget"] == 100 - tiers["llm"] and tiers["llm"] <= 9
