"""The outbox's worker: claims effects, sends them, settles them.

A lease is renewed while an attempt lasts, so that nobody else sends meanwhile; one who dies leaves its effects to the others,
which send them again under the same key. An endpoint that hangs or fails holds a few slots and then none: the others go on, and
lanes before the last keep some for themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import structlog

from agents.effects.outcome import Outcome
from agents.effects.settle import settle, settle_published
from agents.effects.target import Target
from agents.effects.topic import Publisher, record
from agents.effects.work import TOPIC, Work, claimed_sends, claimed_topics
from agents.ledger.claims import Lost, held, renew
from agents.ledger.clock import Clock
from agents.ledger.killpoint import mark
from agents.ledger.ledger import Ledger
from agents.ledger.schema import effect
from agents.llm.breaker import Breaker
from models.events.decision import LIVE

SLOTS, RESERVED, EACH, BATCH = 64, 8, 16, 500
"""Sends at once; of these, kept for lanes before the last; to one endpoint; records published at once."""
LEASE = 60_000_000
PAUSE = 10_000_000
"""Microseconds that an endpoint is left alone which throttles without saying how long."""
_LAST_LANE = 3
_SECOND = 1_000_000
_POLL = 1.0
_TOPIC_SCHEDULE = tuple(seconds * 1_000_000 for seconds in (0, 1, 5, 30, 60))
_FAILURES = frozenset({"failed", "timeout", "tls", "dns", "connect"})

log = structlog.get_logger("tocsin.effects")


class Sender(Protocol):
    """Sends a message to an endpoint, once."""

    async def send(self, message: Any, target: Target, now: int) -> Outcome:
        """How it went; never raises for what the other side does."""


class Observer(Protocol):
    """What is counted and traced of attempts."""

    def attempted(self, endpoint: str, outcome: str) -> None:
        """An attempt is over."""

    def breaker(self, target: str, state: str) -> None:
        """An endpoint's breaker is closed, half_open or open."""

    def around(self, work: Work, target: str) -> contextlib.AbstractContextManager[tuple[Work, list[Outcome]]]:
        """A span about an attempt: the work that carries it on, and a list that takes how it went."""


class Unobserved:
    """Counts nothing."""

    def attempted(self, endpoint: str, outcome: str) -> None:
        """Nothing."""

    def breaker(self, target: str, state: str) -> None:
        """Nothing."""

    def around(self, work: Work, target: str) -> contextlib.AbstractContextManager[tuple[Work, list[Outcome]]]:
        """The work as it is."""
        return contextlib.nullcontext((work, []))


class Outbox:
    """One process's share of the outbox.

    targets: endpoints by name; webhooks, mail: how they are reached; publisher: how topics are; owner: names this process.
    """

    def __init__(
        self, ledger: Ledger, clock: Clock, application: str, targets: Mapping[str, Target], *, owner: str, webhooks: Sender,
        mail: Sender, publisher: Publisher, observer: Observer | None = None, lease: int = LEASE,
    ) -> None:  # fmt: skip
        self.ledger, self.clock, self.application, self.targets = ledger, clock, application, targets
        self._owner, self._webhooks, self._mail, self._publisher = owner, webhooks, mail, publisher
        self._observer: Observer = observer or Unobserved()
        self._lease = lease
        self._breakers = {name: Breaker() for name in targets}
        self._sending: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Effects were written: look now instead of later."""
        self._woken.set()

    async def run(self) -> None:
        """Work until cancelled, then finish what is under way."""
        try:
            while True:
                self._woken.clear()
                if await self._begin() == 0:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._woken.wait(), _POLL)
        finally:
            await self._finish()

    async def drain(self) -> bool:
        """Attempt all that is due now, also what becomes due by it; whether there was anything."""
        some = False
        while await self._begin():
            some = True
            await self._finish()
        return some

    async def _begin(self) -> int:
        """Claim and begin what there is room for; how many."""
        return await self._publish() + await self._sends()

    async def _sends(self) -> int:
        now, free = self.clock.now(), SLOTS - len(self._tasks)
        open_ = [name for name in self.targets if self._takes(name, now)]
        if free <= 0 or not open_:
            return 0
        lanes = None if free > RESERVED else _LAST_LANE - 1
        most = free - RESERVED if lanes is None else free
        work = await self.ledger.run(
            lambda c: claimed_sends(c, open_, owner=self._owner, now=now, lease=self._lease, most=min(most, EACH), lanes=lanes)
        )
        mark("effect-claimed")
        for each in work:
            self._sending[each.row["target"]] += 1
            task = asyncio.create_task(self._send(each))
            self._tasks.add(task)
            task.add_done_callback(lambda done, name=each.row["target"]: self._ended(done, name))  # type: ignore[misc]
        return len(work)

    def _takes(self, name: str, now: int) -> bool:
        return self._sending[name] < EACH and self._breakers[name].state(now) != "open"

    def _ended(self, task: asyncio.Task[None], name: str) -> None:
        self._tasks.discard(task)
        self._sending[name] -= 1
        self._woken.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("effect_not_settled", endpoint=name, error=str(error))

    async def _finish(self) -> None:
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _send(self, work: Work) -> None:
        target = self.targets[work.row["target"]]
        begun = self.clock.now()
        if not work.disabled and not self._breakers[target.name].allow(begun):
            await self._put_back(work, self._breakers[target.name].ready_at())
            return
        with self._observer.around(work, target.name) as (traced, came):
            outcome = await self._attempt(traced, target)
            came.append(outcome)
        mark("effect-sent")
        await self._settle(work, target, outcome, begun)

    async def _put_back(self, work: Work, until: int) -> None:
        """Another is being tried at this endpoint, which failed before: this one waits, and no attempt is counted."""
        with contextlib.suppress(Lost):
            await self.ledger.run(lambda c: held(c, effect, work.row, due_at=max(until, self.clock.now() + _SECOND)))

    async def _attempt(self, work: Work, target: Target) -> Outcome:
        """The gate: nothing that is not live goes out, whatever the ledger says."""
        if work.row["runmode"] != LIVE:
            return Outcome("not_live", detail=f"run mode {work.row['runmode']}")
        if work.disabled:
            return Outcome("disabled", detail=f"the endpoint is switched off: {work.disabled}")
        sender = self._mail if target.mail else self._webhooks
        return await self._holding(work, sender.send(work.message, target, self.clock.now()))

    async def _holding(self, work: Work, sending: Awaitable[Outcome]) -> Outcome:
        """The outcome of a send, its lease renewed for as long as it takes."""
        task = asyncio.ensure_future(sending)
        while True:
            done, _ = await asyncio.wait({task}, timeout=self._lease / 3_000_000)
            if done:
                return task.result()
            with contextlib.suppress(Lost):  # whoever has it sends it under the same key; our settling will be told so
                await self.ledger.run(lambda c: renew(c, effect, work.row, now=self.clock.now(), lease=self._lease))

    async def _settle(self, work: Work, target: Target, outcome: Outcome, begun: int) -> None:
        now = self.clock.now()
        self._judge(target.name, outcome, now)
        self._observer.attempted(target.name, outcome.name)
        try:
            state = await self.ledger.run(
                lambda c: settle(c, work.row, outcome, target.schedule, self.application, now, now - begun)
            )
        except Lost:
            log.warning("effect_lost", key=work.row["key"], endpoint=target.name)
            return
        mark("effect-settled")
        say = log.info if outcome.ok else log.warning
        say("effect", key=work.row["key"], endpoint=target.name, outcome=outcome.name, status=outcome.status, state=state,
            attempt=work.row["attempts"] + 1, flag=work.row["flag_id"], decision=work.row["decision_id"])  # fmt: skip

    def _judge(self, name: str, outcome: Outcome, now: int) -> None:
        breaker = self._breakers[name]
        if outcome.name == "throttled" and outcome.status is not None:
            breaker.pause(now + (outcome.retry_after or PAUSE))
        elif outcome.name in _FAILURES:
            breaker.failure(now)
        elif outcome.status is not None:
            breaker.success()
        else:
            breaker.given_up()
        self._observer.breaker(name, breaker.state(now))

    async def _publish(self) -> int:
        """Claim, publish and settle a batch of records; how many."""
        now = self.clock.now()
        work = await self.ledger.bulk(lambda c: claimed_topics(c, owner=self._owner, now=now, lease=self._lease, most=BATCH))
        if not work:
            return 0
        outcomes = await self._publisher.publish([record(each, self.application) for each in work])
        mark("topic-sent")
        now = self.clock.now()
        taken = [each.row for each, outcome in zip(work, outcomes, strict=True) if outcome.ok]
        if taken:
            await self.ledger.bulk(lambda c: settle_published(c, taken, self.application, now))
        mark("topic-settled")
        for each, outcome in zip(work, outcomes, strict=True):
            self._observer.attempted(TOPIC, outcome.name)
            if not outcome.ok:
                with contextlib.suppress(Lost):
                    await self.ledger.run(_settling(each, outcome, self.application, now))
        return len(work)


def _settling(work: Work, outcome: Outcome, application: str, now: int) -> Callable[[Any], Any]:
    return lambda connection: settle(connection, work.row, outcome, _TOPIC_SCHEDULE, application, now)
