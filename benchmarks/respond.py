"""The responder: flags that rules decide, a high flag while ten thousand low ones wait for a hanging model, parked tasks."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import insert, select

from agents.flows.pump import Pump
from agents.inbox.files import BATCH, FileInput
from agents.inbox.intake import Intake, Taken
from agents.inbox.plan import Planner
from agents.ledger.clock import SystemClock
from agents.ledger.ledger import Ledger
from agents.ledger.schema import decision, flow, inbox, task
from agents.policy import Policy, policy_of
from agents.service import Service
from agents.tiers.default import on_failure
from agents.tiers.human import HumanStage
from agents.tiers.outcome import Abstain, Outcome
from models.application.load import load
from tests.agents.flags import flag

FLAGS, WARM, ROUNDS = 20_000, 2_000, 5
WAITING = 10_000
HANGS = 0.5
"""Seconds after which a call to the model that hangs is given up."""
APPLICATION = """tocsin: 1
name: bank
streams:
  tx:
    time: ts
    join: {customer: {table: customers, on: customer_id}}
    fields: {ts: timestamp, customer_id: string, amount: "decimal(12,2)", country: string}
tables: {customers: {from: {file: c.csv}, key: customer_id, fields: {customer_id: string, segment: string}}}
scores: {amount_z: {zscore: amount, by: customer_id, over: 30d}}
patterns: {takeover: {on: tx, by: customer_id, when: amount > 1 and amount_z > 1 and customer.segment = 'private'}}
lists: {sanctions: {values: [k13, k99]}}
teams: {analysts: {}}
respond:
  routes:
    - {match: severity = 'critical', to: asked}
    - {match: "severity in ('high', 'medium') and pattern = 'takeover'", to: ruled}
    - {to: asked}
  responders:
    ruled:
      rules:
        sanctioned: {when: "in_list(key.customer_id, 'sanctions')", verdict: block, hard: true}
        tiny: {when: evidence_sum.amount < 20, verdict: dismiss}
        trusted: {when: enrichment.customer.segment = 'private' and scores.amount_z < 2, verdict: dismiss}
        large: {when: evidence_sum.amount > 500 and scores.amount_z > 4, verdict: block}
        rest: {when: country = 'DE', verdict: dismiss}
      actions: {default: [{topic: decisions}]}
    asked:
      deadline: 30s
      llm: {model: m, prompt: p.md, fields: [country], verdicts: [block], reason_codes: [x], on_failure: block, slots: 4}
      human: {levels: [{to: analysts, within: 4h}], default: block}
"""


class Hanging:
    """A model that never answers: each call takes its whole time and fails."""

    name, slots, limited = "llm", 4, True

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    async def work(self, flow: Mapping[str, Any], flag: Mapping[str, Any]) -> Outcome:
        """Wait, and give up."""
        await asyncio.sleep(HANGS)
        responder = self.policy.responder(flow["responder"])
        return Abstain("timeout") if responder is None else on_failure(responder, "timeout")


def main() -> list[tuple[str, str]]:
    """Flags a second of one core, the deadline held, and what waiting costs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "app.yaml").write_text(APPLICATION)
        (folder / "c.csv").write_text("customer_id,segment\n")
        (folder / "p.md").write_text("Decide.\n")
        policy = policy_of(load(folder / "app.yaml"))
        assert policy is not None
        rates = [asyncio.run(_ruled(folder, policy, number)) for number in range(ROUNDS)]
        high, low = asyncio.run(_hanging(folder, policy))
        started, grown, idle = asyncio.run(_parked(folder, policy))
    return [
        ("respond: flags decided by rules", f"{max(rates):,.0f}/s of one core (median {sorted(rates)[ROUNDS // 2]:,.0f}), SQLite"),
        ("respond: priority 1, model hangs", f"decided after {high:.1f} s of 30 while {low:,} of priority 3 wait"),
        ("respond: 10,000 parked tasks", f"start {started:.2f} s, {grown:.1f} MB grown, {idle:.1%} of a core idle"),
    ]


def _file(folder: Path, name: str, count: int, **more: Any) -> Path:
    path = folder / name
    with path.open("wb") as file:
        for number in range(count):
            amount, z = f"{1 + number % 900}.50", number % 6
            found = flag(number, key=f"k{number % 997}", amount=amount, scores={"amount_z": {"value": z}}, **more)
            file.write(orjson.dumps(found) + b"\n")
    return path


async def _ruled(folder: Path, policy: Policy, number: int) -> float:
    """Inbox, decisions, effects and audit committed, by the processor's time of this process: all of its threads on one core."""
    path = folder / "ruled.jsonl"
    if not path.exists():
        _file(folder, path.name, FLAGS + WARM)
    ledger = Ledger(str(folder / f"ruled-{number}.db"))
    service = _service(ledger, policy)
    source, started = FileInput(path, 0, whole=True), 0.0
    await service.begin()
    for taken, (records, places) in enumerate(source.batches(BATCH)):
        if taken * BATCH == WARM:
            started = time.process_time()
        await service.intake.take(records, places)
    spent = time.process_time() - started
    source.close()
    assert ledger.look(lambda c: len(c.execute(select(decision.c.id)).all())) == FLAGS + WARM
    ledger.close()
    return FLAGS / spent


async def _hanging(folder: Path, policy: Policy) -> tuple[float, int]:
    """Seconds until a priority-1 flag is decided, and how many others are still open then."""
    ledger = Ledger(str(folder / "hanging.db"))
    pump = Pump(ledger, policy, SystemClock(), "one", Hanging(policy))
    service = _service(ledger, policy, pump)
    low = _file(folder, "low.jsonl", WAITING, severity="critical", priority=3)
    await service.once(FileInput(low, 0, whole=True), drain=False)
    running = asyncio.create_task(pump.run())
    await asyncio.sleep(2 * HANGS)
    high = folder / "high.jsonl"
    high.write_bytes(orjson.dumps(flag(WAITING + 1, severity="critical", priority=1)) + b"\n")
    await service.once(FileInput(high, 0, whole=True), drain=False)
    took = select(decision.c.decided_at - inbox.c.received_at).join(inbox, inbox.c.flag_id == decision.c.flag_id)
    while not (found := await ledger.read(lambda c: c.scalar(took.where(inbox.c.priority == 1)))):
        await asyncio.sleep(0.05)
    left = await ledger.read(lambda c: len(c.execute(select(flow.c.id).where(flow.c.open)).all()))
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    ledger.close()
    return found / 1e6, left


async def _parked(folder: Path, policy: Policy) -> tuple[float, float, float]:
    """Seconds to open a ledger with so many tasks and look at them once; megabytes grown and share of a core while idle."""
    path, clock = str(folder / "parked.db"), SystemClock()
    ledger = Ledger(path)
    later = clock.now() + 4 * 3_600_000_000
    row = {"stage": "human", "responder": "asked", "due_at": later, "state": '{"level":0}', "lane": 2}
    flows = [{**row, "id": f"f{n}", "flag_id": f"f{n}"} for n in range(WAITING)]
    tasks = [{"id": f"t{n}", "flow_id": f"f{n}", "flag_id": f"f{n}", "due_at": later} for n in range(WAITING)]
    await ledger.run(lambda c: (c.execute(insert(flow), flows), c.execute(insert(task), tasks)))
    ledger.close()
    started = time.perf_counter()
    ledger = Ledger(path)
    pump = Pump(ledger, policy, clock, "one", HumanStage(ledger, policy, clock))
    await _service(ledger, policy, pump).begin()
    assert not await pump.step()
    opened, memory, running = time.perf_counter() - started, _memory(), asyncio.create_task(pump.run())
    spent, seconds = time.process_time(), 10
    await asyncio.sleep(seconds)
    idle = (time.process_time() - spent) / seconds
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    ledger.close()
    return opened, _memory() - memory, idle


def _memory() -> float:
    """Megabytes that the process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def _service(ledger: Ledger, policy: Policy, *workers: Pump) -> Service:
    clock = SystemClock()
    return Service(ledger, policy, clock, Intake(ledger, Planner(policy), clock), workers, Taken())
