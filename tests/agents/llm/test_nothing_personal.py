"""A thousand planted values: none of them in what the model's server, logs, traces or the ledger's bodies of calls receive."""

from __future__ import annotations

import asyncio
import io
import logging
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import select

from agents.flows.pump import Pump
from agents.inbox.files import FileInput
from agents.inbox.intake import Intake
from agents.inbox.plan import Planner
from agents.ledger.clock import FixedClock
from agents.ledger.ledger import Ledger
from agents.ledger.schema import audit, blob, decision, llm_call, mask
from agents.llm import asking
from agents.llm.build import askers
from agents.policy import policy_of
from agents.service import Service
from agents.telemetry import logs, traces
from agents.tiers.llm import LlmStage
from models.application.load import load
from tests.agents.flags import BEGIN, flag, written
from tests.agents.llm import scripted
from tests.agents.llm.flags import card_number, iban

APPLICATION = """tocsin: 1
name: bank
streams:
  tx:
    time: ts
    fields:
      ts: timestamp
      customer_id: string
      amount: "decimal(12,2)"
      country: string
      holder: {type: string, pii: name}
      pan: {type: string, pii: card}
      account: {type: string, pii: iban}
      mail: {type: string, pii: email}
      note: string
    derive: {greeting: upper(holder)}
patterns: {takeover: {on: tx, by: customer_id, when: amount > 1}}
respond:
  routes: [{to: judge}]
  responders:
    judge:
      llm:
        model: small
        prompt: judge.md
        fields: [amount, country, holder, pan, account, mail, note, greeting, title, reasons, subject, evidence, key.customer_id]
        verdicts: [dismiss, block]
        reason_codes: [travel]
        on_failure: hold
        slots: 16
"""
CASES = 250


class Planted:
    """A case's four values and a flag that has them in marked fields and, written otherwise, in free text."""

    def __init__(self, number: int, chance: random.Random) -> None:
        digits = "".join(chance.choice("0123456789") for _ in range(30))
        self.pan = card_number(chance.choice("3456") + digits[:14])
        self.iban = iban(chance.choice(("DE", "NL", "FR")), "3704" + digits[14:28])
        self.mail = f"holder{number}.{digits[:4]}@post{number % 9}.example"
        self.name = f"Vorname{number}q Nachname{number}q"
        spaced = " ".join(self.iban[i : i + 4] for i in range(0, len(self.iban), 4))
        note = f"{self.name.upper()} wrote from {self.mail}: {spaced}, card {self.pan[:4]}-{self.pan[4:8]}-{self.pan[8:12]}-{self.pan[12:]}"
        self.flag = flag(
            number, title=f"{self.name} paid with {self.pan}", reasons=[{"expression": "holder", "value": self.name, "holds": True}]
        )
        self.flag["data"]["evidence"][0]["fields"] |= {
            "holder": self.name, "pan": self.pan, "account": self.iban, "mail": self.mail, "note": note, "greeting": self.name.upper(),
        }  # fmt: skip
        self.texts = [self.pan, self.iban, self.mail, self.name, self.name.upper(), spaced, f"Nachname{number}q", self.pan[4:12]]


async def echo(server: scripted.Server, request: dict[str, Any], send: scripted.Send) -> None:
    """Answers that say again what was sent, in all the ways of failing."""
    shown = request["messages"][1]["content"]
    bodies: list[tuple[Any, int]] = [
        (scripted.completion(scripted.good(sentence=shown[20:300].replace("\n", " "))), 200),
        (scripted.completion(None, refusal=shown), 200),
        (scripted.completion(shown), 200),
        (scripted.completion(scripted.good(shown[:60])), 200),
        ({"error": {"message": shown, "code": shown[:40]}}, 400),
    ]
    body, status = bodies[len(server.bodies) % len(bodies)]
    await scripted.reply(send, body, status)


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[io.StringIO, io.StringIO]]:
    """All that the service's log, and any other logger, says, at its most talkative."""
    out, console = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", console)
    handler, root = logging.StreamHandler(out), logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in ("openai", "httpx2", "httpcore2", "")}
    root.addHandler(handler)
    for name in levels:
        logging.getLogger(name).setLevel(logging.DEBUG)
    logs.configure(level="debug")
    yield console, out
    structlog.reset_defaults()
    root.removeHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def answered(folder: Path, ledger: Ledger, url: str, cases: list[Planted]) -> None:
    (folder / "judge.md").write_text("Judge the case.")
    (folder / "app.yaml").write_text(APPLICATION)
    application = load(folder / "app.yaml")
    policy, clock = policy_of(application), FixedClock(BEGIN)
    assert policy is not None
    models = askers(application, ledger, clock, {"OPENAI_API_KEY": "sk-a-secret-key", "OPENAI_BASE_URL": url})
    pump = Pump(ledger, policy, clock, "one", LlmStage(policy, models))
    service = Service(ledger, policy, clock, Intake(ledger, Planner(policy), clock, None), [pump])
    source = FileInput(written(folder / "flags.jsonl", *(case.flag for case in cases)), 0, whole=True)
    asyncio.run(service.once(source))
    source.close()


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """All spans with their attributes."""
    exporter = InMemorySpanExporter()
    traces.configure("bank", SimpleSpanProcessor(exporter))
    yield exporter
    traces.close()
    traces.configure("bank", environment={})


def defective(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first case meets a defect of our own, with the flag in the error's text and in the variables around it."""
    compose, cases = asking.compose, iter(range(CASES * 4))

    def broken(prompt: str, choices: Any, shown: Any, *rest: Any) -> Any:
        if next(cases) == 0:
            raise ValueError(str(Planted(0, random.Random(11)).texts))
        return compose(prompt, choices, shown, *rest)

    monkeypatch.setattr(asking, "compose", broken)


def test_none_of_a_thousand_values_is_received(
    tmp_path: Path,
    logged: tuple[io.StringIO, io.StringIO],
    spans: InMemorySpanExporter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    defective(monkeypatch)
    chance = random.Random(11)
    cases = [Planted(i, chance) for i in range(CASES)]
    ledger = Ledger(str(tmp_path / "ledger.db"))
    with scripted.Running(echo) as server:
        answered(tmp_path, ledger, server.url, cases)
        received = b"\n".join(server.received)
    assert len(server.received) >= CASES - 1
    told = "\n".join(span.to_json() for span in spans.get_finished_spans())
    texts = {
        "the model's server": received.decode(),
        "the logs": logged[0].getvalue(),
        "other logs": logged[1].getvalue(),
        "traces": told,
    }
    kept = [select(blob.c.body), select(llm_call.c.error), select(audit.c.body), select(decision.c.body)]
    texts["the ledger"] = "\n".join(str(each) for query in kept for each in ledger.look(lambda c, q=query: c.scalars(q).all()))
    sealed = b"\n".join(ledger.look(lambda c: c.scalars(select(mask.c.sealed)).all()))
    ledger.close()
    assert "<CARD_1>" in texts["the model's server"] and "chat/completions" in texts["other logs"]
    assert "llm_failed" in texts["the logs"] and "tier_failed" in texts["the logs"] and "ValueError" in texts["the logs"]
    assert "gen_ai.request.model" in told and "tier llm" in told
    for where, text in texts.items():
        found = [planted for case in cases for planted in case.texts if planted in text]
        assert not found, (where, found[:5])
        assert "sk-a-secret-key" not in text or where == "the model's server"
    assert not any(planted.encode() in sealed for case in cases for planted in case.texts)
