"""What tiers save: ten thousand flags of examples/card-fraud, answered by rules and a score first and a model for the rest.

The flags are those of months of the generated bank. The model is a script on loopback that answers after a fixed time and counts a
token for every four bytes; prices are those of the example. What it would cost to send every flag to the model is worked out with
the same requests, counts and prices. Flags come at a steady rate, so that a tier's time is its own and not that of a queue.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import select

from agents.flows.pump import Pump
from agents.inbox.files import FileInput
from agents.inbox.intake import Intake, Place
from agents.inbox.plan import Planner
from agents.inbox.record import Record
from agents.ledger.clock import SystemClock
from agents.ledger.ledger import Ledger
from agents.ledger.schema import decision, flow, inbox, llm_call
from agents.llm.answer import Choices
from agents.llm.build import askers
from agents.llm.failures import Failure
from agents.llm.marks import Marks
from agents.llm.masking import mask
from agents.llm.payload import payload
from agents.llm.prices import Prices
from agents.llm.prompt import compose
from agents.policy import policy_of
from agents.service import Service
from agents.tiers.human import HumanStage
from agents.tiers.llm import LlmStage
from agents.tiers.score import conditions, scorers
from dataflows.generate.bank import Size
from dataflows.generate.write import generate_bank, inputs_of
from dataflows.running import Job, run_here
from models.application.load import load
from models.application.resolved.application import Application
from tests.agents.llm.scripted import Running, Send, Server, completion, reply

APPLICATION = Path(__file__).parent.parent / "examples" / "card-fraud" / "app.yaml"
FLAGS = 10_000
RATE, BATCH = 100, 10
"""Flags a second, and in one transaction."""
ANSWERS_AFTER = 0.3
"""Seconds that the model takes."""
ANSWER = {
    "verdict": "", "reason_codes": ["unclear"], "evidence": ["e1"], "confidence": 0.7,
    "sentence": "The amount and the place fit neither the customer's habits nor the time since the last payment.",
}  # fmt: skip


def main() -> list[tuple[str, str]]:
    """Share, time from receipt to decision, and cost of each tier; what goes to people counts as theirs, whatever they say."""
    with tempfile.TemporaryDirectory() as folder:
        application = load(APPLICATION)
        flags = _flags(Path(folder))
        ledger = Ledger(str(Path(folder) / "ledger.db"))
        with Running(_judge) as server:
            taking = asyncio.run(_answered(application, ledger, flags, server.url))
        tiers, spent = ledger.look(_tiers), ledger.look(_spent)
        for tier in ("rule", "score"):  # decided in the transaction that takes them
            tiers[tier] = taking[: len(tiers[tier])]
        ledger.close()
        everything = sum(_cost(application, orjson.loads(line)) for line in flags.open("rb"))
    total = sum(len(times) for times in tiers.values())
    assert total == FLAGS
    found = [(f"cascade: {tier}", _line(times, total, spent if tier == "llm" else 0)) for tier, times in sorted(tiers.items())]
    saved = 1 - spent / everything
    assert saved >= 0.9
    return [
        *found,
        ("cascade: models in all", f"{spent / 1e9:.3f} EUR; every flag to the model {everything / 1e9:.3f} EUR: {saved:.1%} less"),
    ]


def _flags(folder: Path) -> Path:
    """The first ten thousand flags of as many months of different banks as it takes."""
    out, left = folder / "flags.jsonl", FLAGS
    with out.open("wb") as file:
        for seed in count():
            generate_bank(folder / str(seed), Size(6000, 8000, 60), episodes=40, seed=seed)
            loaded = load(APPLICATION, inputs=inputs_of(folder / str(seed)))
            to = folder / str(seed) / "flags.jsonl"
            outputs = replace(loaded.outputs, to=str(to), late=None, dead_letters=None)
            run_here(Job(replace(loaded, name=f"bank-{seed}", outputs=outputs), 16, lambda: "2024-01-01T00:00:00Z"))
            lines = to.read_bytes().splitlines(keepends=True)[:left]
            file.writelines(lines)
            left -= len(lines)
            if not left:
                return out
    raise AssertionError


class Paced(FileInput):
    """A file's flags at a steady rate; ``taking``: for each the microseconds that its batch took to be recorded and decided."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, 0, whole=True)
        self.taking: list[int] = []

    async def run(self, take: Callable[[list[Record], list[Place]], Awaitable[object]]) -> None:
        """Give batches to ``take``, each when it is time for it."""
        due = time.perf_counter()
        for records, places in self.batches(BATCH):
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            started = time.perf_counter()
            await take(records, places)
            self.taking += [int((time.perf_counter() - started) * 1e6)] * len(records)
            due = max(due + BATCH / RATE, started)


async def _answered(application: Application, ledger: Ledger, flags: Path, url: str) -> list[int]:
    """Answer all flags; the microseconds that taking each took."""
    policy, clock = policy_of(application), SystemClock()
    assert policy is not None
    models = askers(application, ledger, clock, {"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": url})
    pumps = [Pump(ledger, policy, clock, "one", stage) for stage in (LlmStage(policy, models), HumanStage(ledger, policy, clock))]
    source = Paced(flags)
    scores = scorers(policy.respond)
    planner = Planner(policy, scores, conditions(scores))
    service = Service(ledger, policy, clock, Intake(ledger, planner, clock, None), pumps)
    working = [asyncio.create_task(pump.run()) for pump in pumps]
    await service.once(source)
    source.close()
    for task in working:
        task.cancel()
    await asyncio.gather(*working, return_exceptions=True)
    return source.taking


async def _judge(server: Server, request: dict[str, Any], send: Send) -> None:
    """Decide by the case's bytes: a tenth is handed to people."""
    await server.pause(ANSWERS_AFTER)
    verdict = ("escalate", *("block", "dismiss") * 5)[sum(request["messages"][1]["content"].encode()) % 11]
    tokens = _tokens(request["messages"], request["response_format"]["json_schema"]["schema"])
    await reply(send, completion({**ANSWER, "verdict": verdict}, tokens, 60))


def _tokens(messages: Any, schema: Any) -> int:
    """A token for every four bytes of what is sent."""
    return (sum(len(message["content"].encode()) for message in messages) + len(orjson.dumps(schema))) // 4


def _cost(application: Application, flag: dict[str, Any]) -> int:
    """What the model of the example would have cost for a flag."""
    assert application.respond is not None
    tier = application.respond.responders["fraud"].llm
    assert tier is not None
    choices = Choices(tier.verdicts, tier.reason_codes)
    shown = payload(mask(flag, Marks.of(application)).flag, [name.text for name in tier.fields])
    composed = compose(tier.prompt.text, choices, shown, "0" * 16, tier.budget.tokens_per_call or 4000)
    assert not isinstance(composed, Failure)
    prices = Prices(application.respond.prices, application.respond.currency)
    return prices.cost("small-model", _tokens(composed.messages, choices.schema(composed.payload.evidence)), 60)


def _tiers(connection: Any) -> dict[str, list[int]]:
    """Microseconds from receipt to decision by tier; of open tasks until they were handed to people."""
    tiers: dict[str, list[int]] = {}
    received = inbox.c.received_at
    query = select(decision.c.tier, decision.c.decided_at - received).join(inbox, inbox.c.flag_id == decision.c.flag_id)
    for tier, took in connection.execute(query):
        tiers.setdefault(tier.partition(":")[0], []).append(took)
    handed = select(flow.c.updated_at - received).join(inbox, inbox.c.flag_id == flow.c.flag_id).where(flow.c.open)
    tiers["human (handed over)"] = [*connection.scalars(handed)]
    return tiers


def _spent(connection: Any) -> int:
    return sum(connection.scalars(select(llm_call.c.cost_nano)))


def _line(times: list[int], total: int, nano: int) -> str:
    ordered = sorted(times)
    half, most = (ordered[min(int(len(ordered) * share), len(ordered) - 1)] / 1000 for share in (0.5, 0.99))
    return f"{len(times) / total:.1%}, p50 {half:,.0f} ms, p99 {most:,.0f} ms, {nano / 1e9:.3f} EUR"
