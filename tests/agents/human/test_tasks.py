"""Flows that wait for people, by a clock that the test moves: levels, restart, answers, the default."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import select

from agents.flows.pump import Pump
from agents.human.answers import Conflict, NotAnAnswer, NoTask, annotate, answer, assign
from agents.human.links import Links
from agents.human.tasks import find, task_id
from agents.inbox.files import FileInput
from agents.inbox.intake import Intake
from agents.inbox.plan import Planner
from agents.ledger.clock import FixedClock
from agents.ledger.ledger import Ledger
from agents.ledger.schema import audit, decision, effect, flow
from agents.policy import Policy, policy_of
from agents.service import Service
from agents.tiers.human import HumanStage
from models.application.load import load
from tests.agents.flags import BEGIN, flag, written

MINUTE = 60_000_000
LINKS = Links("https://tocsin.example", b"0123456789abcdef")
APPLICATION = """tocsin: 1
name: bank
streams:
  tx: {time: ts, fields: {ts: timestamp, customer_id: string, amount: "decimal(12,2)", country: string}}
patterns: {takeover: {on: tx, by: customer_id, when: amount > 1}}
teams:
  analysts: {role: analyst, notify: [chat]}
  lead: {role: analyst, notify: [chat, pager]}
endpoints: {chat: {url: "https://chat.example/x", format: slack}, pager: {url: "https://pager.example/x", secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}}
respond:
  routes: [{to: people}]
  responders:
    people:
      human: {levels: [{to: analysts, within: 15m}, {to: lead, within: 30m}], default: block}
      actions: {block: [{notify: lead}], dismiss: []}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    (tmp_path / "app.yaml").write_text(APPLICATION)
    found = policy_of(load(tmp_path / "app.yaml"))
    assert found is not None
    return found


class World:
    """A responder with people, which can be started again at any time."""

    def __init__(self, url: str, policy: Policy, path: Path) -> None:
        self.url, self.policy, self.path, self.clock = url, policy, path, FixedClock(BEGIN)
        self.ledger = Ledger(url)

    def pass_(self, *flags: Any, runmode: str | None = None) -> None:
        """Take flags, then do what is due now."""
        stage = HumanStage(self.ledger, self.policy, self.clock, LINKS)
        pump = Pump(self.ledger, self.policy, self.clock, f"p{self.clock.now()}", stage)
        service = Service(
            self.ledger, self.policy, self.clock, Intake(self.ledger, Planner(self.policy), self.clock, runmode), [pump]
        )
        source = FileInput(written(self.path, *flags), 0, whole=True)
        asyncio.run(service.once(source))
        source.close()

    def restart(self) -> None:
        self.ledger.close()
        self.ledger = Ledger(self.url)

    def at(self, minutes: float) -> None:
        """Move the clock to so many minutes after the beginning, and do what is due."""
        self.clock.advance(BEGIN + int(minutes * MINUTE) - self.clock.now())
        self.pass_()

    def task(self) -> dict[str, Any]:
        (id_,) = self.ledger.look(lambda c: c.scalars(select(flow.c.id).where(flow.c.runmode == "live")).all())
        found = self.ledger.look(lambda c: find(c, task_id(id_)))
        assert found is not None
        return found

    def answer(self, verdict: str, actor: str = "ann", **more: Any) -> str:
        id_ = self.task()["id"]
        return self.ledger.writer.submit(lambda c: answer(c, self.policy, id_, verdict, actor, self.clock.now(), **more)).result()

    def decided(self, runmode: str = "live") -> list[tuple[str, str]]:
        query = select(decision.c.verdict, decision.c.tier).where(decision.c.runmode == runmode)
        return [tuple(row) for row in self.ledger.look(lambda c: c.execute(query).all())]

    def notices(self) -> list[tuple[str, int, bool]]:
        query = (
            select(effect.c.target, effect.c.body).where(effect.c.body.is_not(None)).order_by(effect.c.created_at, effect.c.target)
        )
        rows = [(row.target, orjson.loads(row.body)["task"]) for row in self.ledger.look(lambda c: c.execute(query).all())]
        return [(target, body["level"], body["early"]) for target, body in rows]


@pytest.fixture
def world(ledger_url: str, policy: Policy, tmp_path: Path) -> Iterator[World]:
    found = World(ledger_url, policy, tmp_path / "flags.jsonl")
    yield found
    found.ledger.close()


def test_levels_one_after_another_then_the_default_over_restarts(world: World) -> None:
    world.pass_(flag(1))
    first = world.task()
    assert (first["state"], first["level"], first["team"], first["due_at"]) == ("open", 1, "analysts", BEGIN + 15 * MINUTE)
    assert orjson.loads(first["verdicts"]) == ["block", "dismiss"]
    world.restart()
    world.at(7)
    assert not world.task()["warned"]
    world.at(7.5)
    assert world.task()["warned"] and world.decided() == []
    world.restart()
    world.at(14.9)
    assert world.task()["level"] == 1
    world.at(15)
    second = world.task()
    assert (second["level"], second["team"], second["due_at"], second["warned"]) == (2, "lead", BEGIN + 45 * MINUTE, False)
    assert second["version"] > first["version"]
    world.restart()
    world.at(30)
    world.at(44.9)
    assert world.decided() == []
    world.at(45)
    assert world.decided() == [("block", "default:human_timeout")]
    assert (world.task()["state"], world.task()["verdict"]) == ("expired", "block")
    assert world.notices() == [
        ("chat", 1, False), ("chat", 1, True), ("chat", 2, False), ("pager", 2, False), ("chat", 2, True), ("pager", 2, True),
    ]  # fmt: skip
    world.at(1000)
    assert len(world.decided()) == 1
    with pytest.raises(Conflict, match="is expired with 'block'") as caught:
        world.answer("dismiss")
    assert caught.value.task["verdict"] == "block"


def test_the_first_answer_wins_and_ends_the_waiting(world: World) -> None:
    world.pass_(flag(1))
    world.at(16)
    version = world.task()["version"]
    with pytest.raises(Conflict, match=f"is open in version {version}"):
        world.answer("dismiss", version=1)
    world.answer("dismiss", version=version, note="known customer")
    assert world.decided() == [("dismiss", "human")]
    task = world.task()
    assert (task["state"], task["answered_by"], task["note"]) == ("answered", "ann", "known customer")
    with pytest.raises(Conflict, match="is answered with 'dismiss'"):
        world.answer("block", "bob")
    world.restart()
    world.at(1000)
    assert world.decided() == [("dismiss", "human")]
    (body,) = world.ledger.look(lambda c: c.scalars(select(audit.c.body)).all())
    assert orjson.loads(body)["trail"][-1]["actor"] == "ann" and "known customer" not in body


def test_two_answers_at_once(world: World) -> None:
    world.pass_(flag(1))
    other, results = Ledger(world.url), []
    id_, gate = world.task()["id"], threading.Barrier(2)

    def give(ledger: Ledger, verdict: str) -> None:
        def operation(connection: Any) -> str:
            return answer(connection, world.policy, id_, verdict, verdict, BEGIN)

        gate.wait()
        try:
            results.append(ledger.writer.submit(operation).result())
        except Conflict as conflict:
            results.append(conflict.task["verdict"])

    threads = [threading.Thread(target=give, args=each) for each in ((world.ledger, "block"), (other, "dismiss"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    ((verdict, tier),) = world.decided()
    assert tier == "human" and world.task()["verdict"] == verdict
    assert sorted(results, key=len) == [verdict, world.task()["flow_id"]], "the one who came second is told the outcome"


def test_an_answer_while_the_timer_is_at_work_wins_or_loses_whole(world: World) -> None:
    world.pass_(flag(1))
    row = world.ledger.look(lambda c: dict(c.execute(select(flow)).mappings().one()))
    world.clock.advance(15 * MINUTE)
    stage = HumanStage(world.ledger, world.policy, world.clock, LINKS)
    pump = Pump(world.ledger, world.policy, world.clock, "late", stage)

    async def race() -> None:
        claimed = await world.ledger.bulk(pump._claim)
        assert [each["id"] for each in claimed] == [row["id"]]
        world.answer("dismiss")
        await pump._one(claimed[0])

    asyncio.run(race())
    assert world.decided() == [("dismiss", "human")] and pump.lost == 1 and world.task()["level"] == 1


def test_what_is_no_answer(world: World) -> None:
    world.pass_(flag(1))
    with pytest.raises(NotAnAnswer, match="verdict: expected one of block, dismiss; found 'escalate'"):
        world.answer("escalate")
    with pytest.raises(NotAnAnswer, match="note: expected at most 4000 characters; found 4001"):
        world.answer("block", note="x" * 4001)
    with pytest.raises(NoTask, match="found none with the id 'zero'"):
        world.ledger.writer.submit(lambda c: answer(c, world.policy, "zero", "block", "ann", BEGIN)).result()
    assert world.task()["state"] == "open" and world.decided() == []


def test_assignment_and_notes(world: World) -> None:
    world.pass_(flag(1))
    id_ = world.task()["id"]
    world.ledger.writer.submit(lambda c: assign(c, world.policy, id_, "ann", "lead", BEGIN, version=1)).result()
    world.ledger.writer.submit(lambda c: annotate(c, world.policy, id_, "called her", "ann", BEGIN)).result()
    assert (world.task()["assignee"], world.task()["note"], world.task()["version"]) == ("ann", "called her", 3)
    world.at(15)
    assert world.task()["assignee"] == ""


def test_links_in_notices_open_the_task(world: World) -> None:
    world.pass_(flag(1))
    (body,) = world.ledger.look(lambda c: c.scalars(select(effect.c.body)).all())
    link = orjson.loads(body)["task"]["link"]
    assert LINKS.read(link.partition("?token=")[2], world.task()["id"], BEGIN).team == "analysts"


def test_a_replay_asks_nobody(world: World) -> None:
    world.pass_(flag(1), runmode="backtest:a")
    assert world.decided("backtest:a") == [("block", "default:no_recording")]
    world.pass_(flag(1))
    world.answer("dismiss")
    world.pass_(flag(1), runmode="backtest:b")
    assert world.decided("backtest:b") == [("dismiss", "human")]
    assert len(world.notices()) == 1
