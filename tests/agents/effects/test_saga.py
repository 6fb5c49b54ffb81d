"""Actions of one decision: in order, and taken back in reverse order when one fails for good."""

from __future__ import annotations

from agents.effects.outcome import Outcome
from agents.ledger.clock import FixedClock
from agents.ledger.ledger import Ledger
from tests.agents.effects.ledgers import SECOND, Topics, decide, effects, states, target, work
from tests.agents.messages import NOW


class _World:
    """Answers by endpoint; keeps the order in which they were asked."""

    def __init__(self, **answers: str) -> None:
        self.answers, self.asked, self.messages = answers, [], []  # type: ignore[var-annotated]

    async def send(self, message: object, to: object, now: int) -> Outcome:
        self.asked.append(to.name)  # type: ignore[attr-defined]
        self.messages.append(message)
        return Outcome(self.answers.get(to.name, "ok"), 200)  # type: ignore[attr-defined,arg-type]


NAMES = ("a", "b", "c", "d", "undo-a", "undo-b", "chat")
STEPS = [
    ("webhook", "a", ("webhook", "undo-a")),
    ("webhook", "b", ("webhook", "undo-b")),
    ("webhook", "c", None),
    ("webhook", "d", None),
]


def _run(ledger: Ledger, world: _World, topics: Topics | None = None) -> None:
    work(ledger, FixedClock(NOW), [target(name, "http://127.0.0.1:1/", schedule=(0, SECOND)) for name in NAMES], sender=world, topics=topics,
         advance=[2 * SECOND] * 4)  # fmt: skip


def test_actions_go_in_order(ledger: Ledger) -> None:
    keys, world = decide(ledger, 1, STEPS), _World()
    _run(ledger, world)
    assert world.asked == ["a", "b", "c", "d"]
    assert states(ledger, keys) == ["done"] * 4


def test_a_step_that_fails_for_good_takes_back_the_done_ones_in_reverse_each_once(ledger: Ledger) -> None:
    keys, world = decide(ledger, 1, STEPS), _World(c="refused")
    _run(ledger, world)
    assert world.asked == ["a", "b", "c", "c", "undo-b", "undo-a"]
    assert states(ledger, keys) == ["done", "done", "dead", "cancelled"]
    undone = {row["undoes"]: row["state"] for row in effects(ledger).values() if row["undoes"]}
    assert undone == {keys[0]: "done", keys[1]: "done"}
    assert [message.undoes for message in world.messages[-2:]] == [keys[1], keys[0]]
    assert [message.action for message in world.messages[-2:]] == ["undo block", "undo block"]


def test_a_compensation_that_fails_is_parked_and_those_after_it_wait(ledger: Ledger) -> None:
    decide(ledger, 1, STEPS)
    world = _World(c="gone", **{"undo-b": "refused"})
    _run(ledger, world)
    assert world.asked == ["a", "b", "c", "undo-b", "undo-b"]
    assert {row["target"]: row["state"] for row in effects(ledger).values() if row["undoes"]} == {
        "undo-b": "parked",
        "undo-a": "waiting",
    }


def test_notifications_hold_up_nothing_and_take_nothing_back(ledger: Ledger) -> None:
    keys = decide(ledger, 1, [("webhook", "a", ("webhook", "undo-a")), ("notify", "chat", None), ("topic", "main/decisions", None)])
    world, topics = _World(chat="refused"), Topics()
    _run(ledger, world, topics)
    assert states(ledger, keys) == ["done", "dead", "done"]
    assert len(topics.records) == 1 and "undo-a" not in world.asked


def test_a_topic_waits_for_the_webhook_before_it(ledger: Ledger) -> None:
    keys, topics = decide(ledger, 1, [("webhook", "c", None), ("topic", "main/decisions", None)]), Topics()
    _run(ledger, _World(c="refused"), topics)
    assert (states(ledger, keys), topics.records) == (["dead", "cancelled"], [])
