"""Stages of flows: reserved slots, deadlines, tiers that fail, releases that do not know a stage, leases shorter than the work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import insert, select, update

from agents.flows.lanes import room
from agents.flows.parking import park_unknown, take_up
from agents.flows.pump import Pump
from agents.ledger.clock import FixedClock
from agents.ledger.ledger import Ledger
from agents.ledger.schema import decision, flow, inbox
from agents.policy import Policy, policy_of
from agents.tiers.outcome import Decide, Outcome, Wait
from models.application.load import load
from models.events.decision import decision_id
from tests.agents.flags import BEGIN, flag

APPLICATION = """tocsin: 1
name: bank
streams: {tx: {time: ts, fields: {ts: timestamp, customer_id: string}}}
patterns: {takeover: {on: tx, by: customer_id, when: customer_id = 'a'}}
respond:
  responders:
    r: {default: watch, llm: {model: m, prompt: p.md, fields: [customer_id], verdicts: [block], reason_codes: [x], on_failure: block}}
"""


class Stage:
    """A tier that says what it is told to."""

    name, limited = "llm", True

    def __init__(self, work: Callable[[Mapping[str, Any]], Any], slots: int = 4) -> None:
        self._work, self.slots = work, slots

    async def work(self, flow: Mapping[str, Any], flag: Mapping[str, Any]) -> Outcome:
        found = self._work(flow)
        outcome: Outcome = await found if asyncio.iscoroutine(found) else found
        return outcome


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    (tmp_path / "p.md").write_text("Decide.\n")
    (tmp_path / "app.yaml").write_text(APPLICATION)
    found = policy_of(load(tmp_path / "app.yaml"))
    assert found is not None
    return found


def add(ledger: Ledger, *lanes: int, stage: str = "llm", responder: str = "r") -> None:
    """Flows with their flags, due at once, with a deadline of 30 seconds."""
    flags = [flag(number) for number, _ in enumerate(lanes)]
    bodies = [{"runmode": "live", "flag_id": each["id"], "body": orjson.dumps(each).decode()} for each in flags]
    rows = [
        {"id": decision_id(each["id"], "r"), "runmode": "live", "flag_id": each["id"], "responder": responder, "pattern": "takeover",
         "stage": stage, "lane": lane, "due_at": BEGIN, "deadline_at": BEGIN + 30_000_000}
        for each, lane in zip(flags, lanes, strict=True)
    ]  # fmt: skip
    ledger.writer.submit(lambda c: (c.execute(insert(inbox), bodies), c.execute(insert(flow), rows))).result()


def tiers(ledger: Ledger) -> list[str]:
    return sorted(ledger.look(lambda c: c.scalars(select(decision.c.tier)).all()))


def drained(ledger: Ledger, policy: Policy, clock: FixedClock, stage: Stage) -> Pump:
    async def main() -> Pump:
        pump = Pump(ledger, policy, clock, "me", stage)
        await pump.drain()
        return pump

    return asyncio.run(main())


def test_low_lanes_leave_slots_free() -> None:
    assert room(4, []) == {1: 4, 2: 3, 3: 2}
    assert room(4, [3, 3]) == {1: 2, 2: 1, 3: 0}
    assert room(4, [1, 1, 1, 1]) == {1: 0, 2: 0, 3: 0}
    assert room(1, []) == {1: 1, 2: 1, 3: 1} and room(1, [3]) == {1: 0, 2: 0, 3: 0}
    assert room(16, [3] * 8) == {1: 8, 2: 4, 3: 0}


def test_a_high_flow_passes_low_ones_that_hang(ledger: Ledger, policy: Policy) -> None:
    """Two of four slots stay free of lane 3."""

    async def main() -> None:
        gate, begun = asyncio.Event(), []

        async def work(row: Mapping[str, Any]) -> Outcome:
            begun.append(row["lane"])
            if row["lane"] == 3:
                await gate.wait()
            return Decide("block", "llm")

        add(ledger, *[3] * 10, 1)
        pump = Pump(ledger, policy, FixedClock(BEGIN), "me", Stage(work))
        await pump.step()
        while 1 not in begun:
            await asyncio.sleep(0.01)
        assert begun.count(3) <= 2
        gate.set()
        await pump.drain()

    asyncio.run(main())
    assert tiers(ledger) == ["llm"] * 11


def test_what_waited_beyond_its_deadline_ends_without_a_slot(ledger: Ledger, policy: Policy) -> None:
    add(ledger, 1, 2, 3)
    drained(ledger, policy, FixedClock(BEGIN + 30_000_000), Stage(lambda row: Decide("x", "llm"), slots=1))
    assert tiers(ledger) == ["default:timeout"] * 3


def test_a_tier_that_fails_is_asked_again_and_then_passed_over(ledger: Ledger, policy: Policy) -> None:
    def work(_: Mapping[str, Any]) -> Outcome:
        raise ValueError("a defect")

    add(ledger, 2)
    ledger.writer.submit(lambda c: c.execute(update(flow).values(deadline_at=None))).result()
    clock = FixedClock(BEGIN)
    for _ in range(5):
        assert tiers(ledger) == []
        drained(ledger, policy, clock, Stage(work))
        clock.advance(300_000_000)
    assert tiers(ledger) == ["default:error"]


def test_waiting_keeps_the_state_for_next_time(ledger: Ledger, policy: Policy) -> None:
    def work(row: Mapping[str, Any]) -> Outcome:
        return Decide("block", "llm") if orjson.loads(row["state"]) else Wait(BEGIN + 5_000_000, {"asked": 1})

    add(ledger, 2)
    clock = FixedClock(BEGIN)
    for _ in range(2):
        drained(ledger, policy, clock, Stage(work))
        assert tiers(ledger) == []
    clock.advance(5_000_000)
    drained(ledger, policy, clock, Stage(work))
    assert tiers(ledger) == ["llm"]


def test_an_unknown_stage_or_responder_is_parked_and_taken_up_by_a_release_that_knows_it(ledger: Ledger, policy: Policy) -> None:
    add(ledger, 2, stage="oracle")
    run = ledger.writer.submit
    assert run(lambda c: park_unknown(c, ["llm"], BEGIN)).result() == 1
    assert run(lambda c: take_up(c, policy, ["llm"], BEGIN)).result() == 0
    assert run(lambda c: take_up(c, policy, ["llm", "oracle"], BEGIN)).result() == 1
    run(lambda c: c.execute(update(flow).values(stage="llm", responder="gone"))).result()
    drained(ledger, policy, FixedClock(BEGIN), Stage(lambda row: Decide("block", "llm")))
    assert ledger.look(lambda c: c.scalar(select(flow.c.parked))) == "unknown responder gone" and tiers(ledger) == []


def test_a_lease_shorter_than_the_work_decides_nothing_twice(ledger: Ledger, policy: Policy) -> None:
    """The second owner's outcome counts; the first is told that it lost."""

    async def main() -> int:
        clock, gate = FixedClock(BEGIN), asyncio.Event()

        async def slow(_: Mapping[str, Any]) -> Outcome:
            await gate.wait()
            return Decide("slow", "llm")

        first = Pump(ledger, policy, clock, "first", Stage(slow), lease=-1)
        first._hold = lambda row: asyncio.sleep(0)  # type: ignore[method-assign,assignment] - it sleeps through its renewals
        await first.step()
        await Pump(ledger, policy, clock, "second", Stage(lambda row: Decide("quick", "llm"))).drain()
        gate.set()
        await first.drain()
        return first.lost

    add(ledger, 2)
    assert asyncio.run(main()) == 1
    assert ledger.look(lambda c: c.scalars(select(decision.c.verdict)).all()) == ["quick"]
