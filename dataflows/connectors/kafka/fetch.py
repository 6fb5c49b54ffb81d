"""One topic's consumer in this process, and the log of each partition that is read here: fetched once, whoever reads it."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Thread

import numpy as np
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from dataflows.connectors.kafka.connection import Connection
from dataflows.connectors.kafka.live import Live
from dataflows.connectors.kafka.reasons import GONE, KafkaProblem, explain, kind_of
from dataflows.connectors.kafka.statistics import read
from dataflows.connectors.kafka.telling import answers, client_line, waiting
from dataflows.connectors.notices import Notice

MOST = 50_000
"""Messages taken from the client at once."""
GAP = 2_000
"""Microseconds between two polls that find little: bounds travel to every shard after each."""
_MANY = 1_000
_LEAVING = 1.0
"""Seconds that a client has to leave a broker that is gone."""
_FULL, _ROOM = 100_000, 50_000
"""Waiting messages of a partition at which fetching pauses, and goes on."""


class Log:
    """One partition: messages that wait, and what is known of its end. Times in microseconds of the run's clock."""

    def __init__(self, topic: str, number: int, offset: int | None, begin: int | None, now: int) -> None:
        self.topic = topic
        self.number = number
        self.offset = offset
        self.begin = begin
        self.waiting: list[Message] = []
        self.at_end = False
        self.heard = now
        self.quiet: int | None = None
        self.paused = False

    def add(self, messages: list[Message], now: int) -> None:
        """Take what was fetched."""
        self.waiting.extend(messages)
        self.at_end, self.quiet, self.heard = False, None, now

    def take(self, most: int) -> list[Message]:
        """The next messages, at most so many; ``offset`` moves behind them."""
        taken, self.waiting = self.waiting[:most], self.waiting[most:]
        if taken:
            self.offset = int(taken[-1].offset() or 0) + 1
        if self.begin is not None and taken:
            taken = [message for message in taken if message.timestamp()[1] * 1000 >= self.begin]
        return taken


@contextmanager
def no_collection() -> Iterator[None]:
    """Make many objects without looking for garbage among them: messages hold no cycles, and looking costs more than they do."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


class TopicConsumer:
    """Fetches the partitions of one topic that are read in this process. ``told``: what was said of its connection meanwhile."""

    def __init__(self, connection: Connection, topic: str, group: str, live: Live, told: set[str] | None = None) -> None:
        self.connection = connection
        self.topic = topic
        self.group = group
        self.live = live
        self.logs: dict[int, Log] = {}
        self.consumer: Consumer | None = None
        self.down: str | None = None
        self.lag: dict[int, int] = {}
        self._polled = 0
        self._many = True
        self.told: set[str] = set() if told is None else told
        self._answered = 0
        self._back = False

    def log(self, number: int, offset: int | None, *, whole: bool = False) -> Log:
        """The log of a partition from an offset on; None: from where the span begins, or the first where it must be ``whole``."""
        begin = None if whole else self.live.span.begin
        self.logs[number] = Log(self.topic, number, offset, begin, self.live.clock())
        return self.logs[number]

    def poll(self) -> None:
        """Take what the client has fetched, unless the last poll was a moment ago and found little."""
        now = self.live.clock()
        if not self._many and now - self._polled < GAP:
            return
        consumer = self._open() if self.consumer is None else self.consumer
        with no_collection():
            messages = consumer.consume(MOST, 0.0)
        self._polled, self._many = now, len(messages) >= _MANY
        self._take(messages, now)
        if self._back:
            self._back = False
            self._fetch_again(consumer)
        for log in self.logs.values():
            self._pace(consumer, log)
            if log.at_end and not log.waiting and len(messages) < MOST and self.down is None:
                log.quiet = min(now, self._answered)

    def commit(self, log: Log, offset: int) -> None:
        """Tell the group how far a partition is done: for monitoring only, so a failure is none."""
        if self.consumer is not None and self.live.endless:
            try:
                self.consumer.commit(offsets=[TopicPartition(self.topic, log.number, offset)], asynchronous=True)
            except KafkaException as error:
                text = f"progress of group {self.group!r} cannot be committed: {error.args[0].str()}"
                self._say(Notice("commit_failed", text, "warning", topic=self.topic, partition=log.number, group=self.group))

    def behind(self) -> Iterator[tuple[str, int, int]]:
        """Records that each partition's readers have not taken yet, where the client knows."""
        for number, lag in self.lag.copy().items():
            if lag >= 0 and number in self.logs:
                yield self.topic, number, lag + len(self.logs[number].waiting)

    def close(self) -> None:
        """Leave the broker. One that is gone is hardly waited for: the client would for a minute, to tell its progress."""
        if self.consumer is not None:
            leaving = Thread(target=self.consumer.close, name="leaving", daemon=True)
            leaving.start()
            leaving.join(None if self.down is None else _LEAVING)
        self.consumer = None

    def _open(self) -> Consumer:
        self.consumer = self.connection.consumer(self.group, self._error, self._stats, self._line)
        self.consumer.assign([TopicPartition(self.topic, log.number, self._first(log)) for log in self.logs.values()])
        return self.consumer

    def _fetch_again(self, consumer: Consumer) -> None:
        """After the broker was away: an end of a log that was found before says nothing of what was written meanwhile."""
        for log in self.logs.values():
            log.at_end, log.quiet, log.paused = False, None, False
        places = [(log, int(log.waiting[-1].offset() or 0) + 1 if log.waiting else self._first(log)) for log in self.logs.values()]
        consumer.assign([TopicPartition(self.topic, log.number, offset) for log, offset in places])

    def _first(self, log: Log) -> int:
        if log.offset is not None:
            return log.offset
        if log.begin is None or self.consumer is None:
            return int(OFFSET_BEGINNING)
        asked = [TopicPartition(self.topic, log.number, log.begin // 1000)]
        found = self.consumer.offsets_for_times(asked, timeout=30)[0]
        return int(found.offset)

    def _take(self, messages: list[Message], now: int) -> None:
        """Share messages out; errors and ends of logs come between them."""
        begin = 0
        for at in [at for at, error in enumerate(map(Message.error, messages)) if error is not None]:
            self._share(messages[begin:at], now)
            self._event(messages[at])
            begin = at + 1
        self._share(messages[begin:] if begin else messages, now)

    def _share(self, messages: list[Message], now: int) -> None:
        if not messages:
            return
        if len(self.logs) == 1:
            next(iter(self.logs.values())).add(messages, now)
            return
        numbers = np.fromiter(map(Message.partition, messages), np.int64, len(messages))
        cuts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(messages)]
        for start, stop in zip(cuts[:-1], cuts[1:], strict=True):
            self.logs[int(numbers[start])].add(messages[start:stop], now)

    def _event(self, message: Message) -> None:
        error = message.error()
        assert error is not None
        number = message.partition()
        if error.code() == KafkaError._PARTITION_EOF:
            self.logs[number or 0].at_end = True
            return
        if error.code() in (KafkaError._UNKNOWN_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):
            raise KafkaProblem(
                f"topic {self.topic!r}, partition {number}: it does not exist any more on connection {self.connection.name!r}. "
                "Its rows cannot be read: recreate it, or start without the saved state"
            )
        if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            raise KafkaProblem(
                f"topic {self.topic!r}, partition {number}: the offset to go on from is not in the log any more: {error.str()}. "
                "Rows were deleted before they were read: raise the topic's retention; start without the saved state"
            )
        self._error(error)

    def _pace(self, consumer: Consumer, log: Log) -> None:
        place = [TopicPartition(self.topic, log.number)]
        if not log.paused and len(log.waiting) > _FULL:
            consumer.pause(place)
            log.paused = True
        elif log.paused and len(log.waiting) < _ROOM:
            consumer.resume(place)
            log.paused = False

    def _error(self, error: KafkaError) -> None:
        self.live.failed(kind_of(error))
        message, _ = explain(error, self.connection.name, self.connection.servers)
        if error.code() in GONE:
            self.down = message
            self.live.reached(self._who, False)
        self._say(waiting(self.connection, message, kind=kind_of(error)))

    @property
    def _who(self) -> str:
        return f"{self.connection.name} ({self.topic})"

    def _line(self, level: int, line: str) -> None:
        self.live.note(client_line(self.connection.name, level, line))

    def _say(self, message: str) -> None:
        if message not in self.told:
            self.told.add(message)
            self.live.say(message)

    def _stats(self, text: str) -> None:
        """Whether a broker is there again, and how far behind each partition is."""
        stats = read(text)
        if (idle := stats.idle(self.logs)) is not None:
            self._answered = max(self._answered, self.live.clock() - idle)
        if stats.up and self.down is not None:
            self.down, self._back = None, True
            self.live.reached(self._who, True)
            if self.told:
                self.told.clear()
                self.live.say(answers(self.connection, "the broker answers again"))
        for topic in stats.topics.values():
            self.lag.update({part.partition: part.consumer_lag for part in topic.partitions.values() if part.partition >= 0})


class Consumers:
    """The consumers of one process, by connection and topic."""

    def __init__(self, group: str, live: Live) -> None:
        self.group = group
        self.live = live
        self.found: dict[tuple[str, str], TopicConsumer] = {}
        self.told: dict[str, set[str]] = {}

    def of(self, connection: Connection, topic: str) -> TopicConsumer:
        """The consumer of a topic."""
        key = (connection.name, topic)
        if key not in self.found:
            group = connection.settings.get("group.id", self.group)
            told = self.told.setdefault(connection.name, set())
            self.found[key] = TopicConsumer(connection, topic, group, self.live, told)
        return self.found[key]

    def close(self) -> None:
        """Leave all brokers."""
        leaving = [Thread(target=consumer.close, daemon=True) for consumer in self.found.values()]
        for each in leaving:
            each.start()
        for each in leaving:
            each.join()

    def topics(self) -> Sequence[TopicConsumer]:
        """All consumers."""
        return list(self.found.values())
