"""Effects from the ledger to real receivers: at least once, under one key, in the schedule's time."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

from agents.audit.verify import verify
from agents.effects.endpoints import PATIENCE
from agents.effects.outcome import Outcome
from agents.ledger.claims import claim
from agents.ledger.clock import FixedClock
from agents.ledger.ledger import Ledger
from agents.ledger.schema import audit, effect, endpoint
from tests.agents.effects.ledgers import DAY, SECOND, Topics, attempts, change, decide, effects, states, target, work
from tests.agents.messages import NOW
from tests.agents.receiver import Answer, receiving


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


WEBHOOK = [("webhook", "bank", None)]


def test_each_effect_is_sent_once_and_is_done(ledger: Ledger, clock: FixedClock) -> None:
    keys = [key for i in range(40) for key in decide(ledger, i, WEBHOOK)]
    with receiving() as receiver:
        assert work(ledger, clock, [target("bank", receiver.url)]) == 40
        assert work(ledger, clock, [target("bank", receiver.url)]) == 0
    assert dict(receiver.keys) == dict.fromkeys(keys, 1)
    assert set(states(ledger, keys)) == {"done"}
    assert ledger.look(verify).records == 40 and ledger.look(verify).problems == []


def test_failures_are_tried_again_by_the_schedule_and_die_after_it(ledger: Ledger, clock: FixedClock) -> None:
    [key] = decide(ledger, 1, WEBHOOK)
    with receiving(lambda request: Answer(500)) as receiver:
        assert (
            work(ledger, clock, [target("bank", receiver.url)], advance=[4 * SECOND, 2 * SECOND, 59 * SECOND, 8 * SECOND, DAY]) == 3
        )
    assert (attempts(ledger, key), states(ledger, [key])) == (["failed"] * 3, ["dead"])
    assert receiver.keys == {key: 3}
    assert effects(ledger)[key]["error"] == "failed"


def test_what_recovers_is_done(ledger: Ledger, clock: FixedClock) -> None:
    [key] = decide(ledger, 1, WEBHOOK)
    answers = iter([Answer(503), Answer(200)])
    with receiving(lambda request: next(answers)) as receiver:
        work(ledger, clock, [target("bank", receiver.url)], advance=[6 * SECOND])
    assert (attempts(ledger, key), states(ledger, [key])) == (["failed", "ok"], ["done"])
    assert receiver.accepted == {key}


def test_a_receiver_that_throttles_is_left_alone(ledger: Ledger, clock: FixedClock) -> None:
    """Retry-After holds back this effect by its due time and the endpoint's others too."""
    keys = [key for i in range(3) for key in decide(ledger, i, WEBHOOK, due_at=NOW + i * SECOND)]
    answers = iter([Answer(429, {"retry-after": "30"}), Answer(), Answer(), Answer()])
    with receiving(lambda request: next(answers)) as receiver:
        assert work(ledger, clock, [target("bank", receiver.url)], advance=[29 * SECOND, 2 * SECOND]) == 4
    assert set(states(ledger, keys)) == {"done"}
    assert attempts(ledger, keys[0]) == ["throttled", "ok"]


def test_410_switches_an_endpoint_off(ledger: Ledger, clock: FixedClock) -> None:
    first, second = decide(ledger, 1, WEBHOOK) + decide(ledger, 2, WEBHOOK, due_at=NOW + SECOND)
    with receiving(lambda request: Answer(410)) as receiver:
        work(ledger, clock, [target("bank", receiver.url)], advance=[2 * SECOND])
    assert len(receiver.requests) == 1
    assert (attempts(ledger, first), attempts(ledger, second)) == (["gone"], ["disabled"])
    assert states(ledger, [first, second]) == ["dead", "dead"]
    row = ledger.look(lambda c: c.execute(select(endpoint)).mappings().one())
    assert (row["state"], row["reason"]) == ("disabled", "it answered 410 Gone")
    assert "endpoint" in ledger.look(lambda c: c.scalars(select(audit.c.kind)).all())


def test_five_days_of_failure_switch_an_endpoint_off_and_a_success_starts_anew(ledger: Ledger, clock: FixedClock) -> None:
    answers: list[int] = [500, 200, 500, 500, 500]
    with receiving(lambda request: Answer(answers.pop(0))) as receiver:
        bank = [target("bank", receiver.url, schedule=(0,))]
        for number, step in enumerate((0, DAY, DAY, PATIENCE - DAY, DAY)):
            clock.advance(step)
            decide(ledger, number, WEBHOOK)
            work(ledger, clock, bank)
            state = ledger.look(lambda c: c.scalar(select(endpoint.c.state)))
            assert state == ("disabled" if number == 4 else "enabled")


def test_an_endpoint_that_hangs_does_not_hold_up_another(ledger: Ledger, clock: FixedClock) -> None:
    hanging = [key for i in range(100) for key in decide(ledger, i, [("webhook", "slow", None)])]
    [quick] = decide(ledger, 1000, WEBHOOK)

    class Sender:
        """The slow endpoint answers when the quick one has been reached."""

        def __init__(self) -> None:
            self.reached = asyncio.Event()
            self.most = self.now = 0

        async def send(self, message: object, to: object, now: int) -> Outcome:
            if to.name == "bank":  # type: ignore[attr-defined]
                self.reached.set()
                return Outcome("ok", 200)
            self.now += 1
            self.most = max(self.most, self.now)
            await asyncio.wait_for(self.reached.wait(), 20)
            self.now -= 1
            return Outcome("ok", 200)

    async def main() -> Sender:
        from agents.effects.outbox import Outbox

        sender = Sender()
        targets = {name: target(name, "http://127.0.0.1:1/") for name in ("slow", "bank")}
        outbox = Outbox(ledger, clock, "app", targets, owner="me", webhooks=sender, mail=sender, publisher=Topics())
        running = asyncio.create_task(outbox.run())
        while any(row["open"] for row in effects(ledger).values()):
            await asyncio.sleep(0.02)
        running.cancel()
        await asyncio.wait({running})
        return sender

    sender = asyncio.run(main())
    assert sender.most < 48
    assert set(states(ledger, [*hanging, quick])) == {"done"}


def test_a_dead_process_s_effects_are_sent_by_another_under_the_same_key(ledger: Ledger, clock: FixedClock) -> None:
    [key] = decide(ledger, 1, WEBHOOK)
    change(ledger, lambda c: claim(c, effect, owner="dead", now=NOW, lease=-SECOND, most=1))  # its lease is over: it died long ago
    with receiving() as receiver:
        assert work(ledger, clock, [target("bank", receiver.url)], owner="other") == 1
    assert receiver.keys == {key: 1} and states(ledger, [key]) == ["done"]


def test_two_processes_send_each_effect_once(ledger_url: str, clock: FixedClock) -> None:
    one, two = Ledger(ledger_url), Ledger(ledger_url)
    keys = [key for i in range(60) for key in decide(one, i, WEBHOOK)]
    with receiving() as receiver:
        to = [target("bank", receiver.url)]

        async def both() -> None:
            await asyncio.gather(
                asyncio.to_thread(work, one, clock, to, owner="one"), asyncio.to_thread(work, two, clock, to, owner="two")
            )

        asyncio.run(both())
    assert receiver.keys == dict.fromkeys(keys, 1)
    one.close()
    two.close()


@pytest.mark.parametrize("runmode", ["backtest:spring", "shadow"])
def test_nothing_that_is_not_live_goes_out(ledger: Ledger, clock: FixedClock, runmode: str) -> None:
    """Whatever state its rows are in."""
    decide(ledger, 1, [("webhook", "bank", None), ("topic", "main/decisions", None)], runmode=runmode)
    with receiving() as receiver:
        topics = Topics()
        assert work(ledger, clock, [target("bank", receiver.url)], topics=topics) == 0
    assert receiver.requests == [] and topics.records == []


def test_topics_take_many_at_once_and_what_fails_is_tried_until_it_works(ledger: Ledger, clock: FixedClock) -> None:
    keys = [key for i in range(30) for key in decide(ledger, i, [("topic", "main/decisions", None)])]
    topics = Topics(*[Outcome("failed", detail="broker down")] * 30)
    work(ledger, clock, [], topics=topics, advance=[2 * SECOND])
    assert set(states(ledger, keys)) == {"done"}
    assert len(topics.records) == 60 and len({record.key for record in topics.records}) == 30
    assert attempts(ledger, keys[0]) == ["failed"]


def test_effects_of_endpoints_that_this_release_does_not_know_are_left_to_others(ledger: Ledger, clock: FixedClock) -> None:
    [key] = decide(ledger, 1, [("webhook", "newer", None)])
    assert work(ledger, clock, [target("bank", "http://127.0.0.1:1/")]) == 0
    assert states(ledger, [key]) == ["ready"]
