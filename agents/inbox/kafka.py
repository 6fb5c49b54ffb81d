"""Flags of a topic. The ledger's offsets are the truth: a partition begins where it stands, whatever the group has committed.

Processes share the topic's partitions as one consumer group. While more flows wait than ``ROOM``, partitions are paused and the
consumer is still polled, so that nobody takes it for dead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition
from sqlalchemy import func, select

from agents.inbox.intake import Place, next_offset
from agents.inbox.record import Record
from agents.ledger.ledger import Ledger
from agents.ledger.schema import flow
from agents.policy import LLM

BATCH = 500
ROOM = 50_000
"""Flows that may wait for a model before no more flags are taken."""
_WAIT = 0.05
_LOOK = 2_000_000
_SETTINGS: dict[str, Any] = {
    "client.id": "tocsin-respond", "enable.auto.commit": False, "auto.offset.reset": "earliest", "fetch.wait.max.ms": 50,
    "fetch.queue.backoff.ms": 5, "reconnect.backoff.max.ms": 1_000, "enable.partition.eof": True,
}  # fmt: skip
Take = Callable[[list[Record], list[Place]], Awaitable[object]]
log = structlog.get_logger("tocsin.respond")


class KafkaInput:
    """Consumes one topic.

    settings: librdkafka's, of the connection; group: of all processes that answer this application's flags; whole: stop at the
    ends that the partitions had at the start.
    """

    def __init__(
        self, ledger: Ledger, settings: Mapping[str, str], topic: str, group: str, *, whole: bool, runmode: str = "live",
        now: Callable[[], int], room: int = ROOM,
    ) -> None:  # fmt: skip
        self.ledger, self.topic, self.whole, self.runmode, self.now, self.room = ledger, topic, whole, runmode, now, room
        self._consumer = Consumer({**_SETTINGS, "group.id": group, **settings}, logger=_Silent())
        self._ends: dict[int, int] = {}
        self._places: dict[int, int] = {}
        self._paused = False
        self._looked = 0

    async def run(self, take: Take) -> None:
        """Give batches to ``take``; offsets go to the broker afterwards, for those who watch lag."""
        await asyncio.to_thread(self._begin)
        while not self._done():
            await self._press()
            messages = await asyncio.to_thread(self._consumer.consume, BATCH, _WAIT)
            records = [record for message in messages if (record := self._record(message)) is not None]
            if not records:
                continue
            places = {record.partition: record.offset + 1 for record in records}
            await take(records, [Place(self.topic, partition, offset) for partition, offset in places.items()])
            self._places |= places
            self._commit(places)

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _begin(self) -> None:
        """Join the group; with ``whole`` take all partitions instead, up to their present ends."""
        if not self.whole:
            self._consumer.subscribe([self.topic], on_assign=self._assigned)
            return
        found = self._consumer.list_topics(self.topic, timeout=30).topics[self.topic]
        if found.error is not None:
            raise KafkaException(found.error)
        partitions = [TopicPartition(self.topic, number) for number in sorted(found.partitions)]
        for each in partitions:
            self._ends[each.partition] = self._consumer.get_watermark_offsets(each, timeout=30)[1]
        self._assigned(self._consumer, partitions)

    def _assigned(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        """Begin each partition where the ledger stands."""
        for each in partitions:
            known = self.ledger.look(lambda c, number=each.partition: next_offset(c, self.runmode, self.topic, number))  # type: ignore[misc]
            each.offset = OFFSET_BEGINNING if known is None else known
            self._places[each.partition] = 0 if known is None else known
        consumer.assign([*partitions])
        self._paused = False

    def _done(self) -> bool:
        """Whether all partitions were taken to the ends that they had."""
        return self.whole and bool(self._ends) and all(self._places.get(n, 0) >= end for n, end in self._ends.items())

    def _record(self, message: Message) -> Record | None:
        error = message.error()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:
                self._ended(message)
                return None
            if error.fatal() or error.code() == KafkaError.OFFSET_OUT_OF_RANGE:
                raise KafkaException(error)
            log.warning("broker", error=error.str())
            return None
        headers: Any = tuple(message.headers() or ())
        place = (message.topic() or "", message.partition() or 0, message.offset() or 0)
        return Record(*place, message.value(), message.key(), headers)

    def _ended(self, message: Message) -> None:
        """What lies before an end may be gaps of transactions."""
        if self.whole and message.partition() is not None:
            self._places[message.partition() or 0] = max(message.offset() or 0, self._places.get(message.partition() or 0, 0))

    def _commit(self, places: Mapping[int, int]) -> None:
        try:
            self._consumer.commit(offsets=[TopicPartition(self.topic, *place) for place in places.items()], asynchronous=True)
        except KafkaException as error:  # information only: the ledger has them
            log.warning("commit", error=str(error))

    async def _press(self) -> None:
        """Pause while too much waits, and go on when there is room."""
        now = self.now()
        if now - self._looked < _LOOK:
            return
        self._looked = now
        query = select(func.count()).select_from(flow).where(flow.c.open, flow.c.stage == LLM)
        waiting = await self.ledger.read(lambda c: c.scalar(query) or 0)
        if self._paused == (waiting > self.room * (0.8 if self._paused else 1)):
            return
        self._paused = not self._paused
        assigned = self._consumer.assignment()
        (self._consumer.pause if self._paused else self._consumer.resume)(assigned)
        log.info("input", paused=self._paused, waiting=waiting)


class _Silent:
    def log(self, *_: object) -> None:
        """The client's own lines go nowhere: what matters comes as errors."""
