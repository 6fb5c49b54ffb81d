"""Laws 2, 3 and 4 on a broker: neither kills, drains nor silence change what is flagged."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dataflows.connectors.kafka.embedded import Broker
from dataflows.connectors.kafka.live import END, Live, Span
from dataflows.running import Job, run_here
from models.application.resolved.application import Application
from tests.kafka.read_back import flags_in, flags_of, placeless, structured_in, structured_of
from tests.kafka.shop import filled, made, over_files, over_topics, rows
from tests.kafka.test_command import run
from tests.kafka.test_live_run import PATIENCE, QUICK, Running, payment
from tests.laws.test_crash import killed
from tests.laws.worlds import examples


@pytest.mark.parametrize("seed", range(examples(1)))
def test_kills_lose_nothing_and_change_nothing(seed: int, broker: Broker, tmp_path: Path) -> None:
    """Killed at random calls of sources, shards and sinks, a few runs in a row."""
    assert kills_change_nothing(seed, broker, tmp_path, 600, 5)


def kills_change_nothing(seed: int, broker: Broker, folder: Path, n: int, kills: int) -> int:
    """A bounded run that is killed gives the run over files; how often it was killed.

    What a kill made be written twice has the same id and the same bytes.
    """
    partitions, changes = rows(n, seed + 1)
    run_here(Job(over_files(folder, partitions, changes), 3, lambda: "now"))
    topics = filled(broker, partitions, changes)
    over_topics(folder, broker, topics)
    found = killed(folder / "topics.yaml", folder / "state", seed, kills, 3)
    whole = flags_of(folder / "flags.jsonl")
    assert _each_once(broker, topics["flags"], len(whole)) == whole
    return found


def _each_once(broker: Broker, topic: str, least: int) -> list[dict[str, Any]]:
    """The flags of a topic without repetitions, which are equal byte for byte."""
    found: dict[bytes, object] = {}
    flags = []
    for message in broker.read(topic, 2, least):
        headers = dict(message.headers() or [])
        if headers["ce_type"] == b"tocsin.application.v1":
            continue
        if headers["ce_id"] not in found:
            flags.append(structured_of(message))
        headers.pop("ce_recordedtime")
        content = (message.key(), message.value(), headers)
        assert found.setdefault(headers["ce_id"], content) == content
    return placeless(flags)


class Kept(Running):
    """A live run that saves its state."""

    def __init__(self, application: Application, state: Path) -> None:
        self.state = state
        super().__init__(application)

    def _run(self) -> None:
        self.job = replace(self.job, state=self.state)
        super()._run()


@contextmanager
def kept(application: Application, state: Path) -> Iterator[Kept]:
    """A live run with state, drained at the end."""
    run = Kept(application, state)
    yield run
    run.stop()
    assert run.problem is None, run.problem


@pytest.mark.parametrize("seed", range(examples(1)))
def test_live_is_a_replay_without_what_came_too_late(seed: int, broker: Broker, tmp_path: Path) -> None:
    """Bursts, silence and two drains; then a replay of the partitions without the events that silence made late."""
    dice = random.Random(seed)
    topics, state = made(broker), tmp_path / "state"
    application = over_topics(tmp_path, broker, topics, QUICK)
    sent: list[list[bytes]] = [[], [], []]
    for _ in range(2):
        with kept(application, state) as running:
            for _ in range(3):
                _burst(dice, broker, topics["payments"], sent)
                running.until(lambda: _decided(broker, topics) == sum(map(len, sent)))
    _equals_its_replay(application, broker, topics, tmp_path, sent)


@pytest.mark.parametrize("seed", range(examples(1)))
def test_live_with_kills_is_a_replay(seed: int, broker: Broker, tmp_path: Path) -> None:
    """The same with kill -9 while silence announces bounds: an event that was flagged is late in no later run, nor the other way."""
    dice = random.Random(seed + 7)
    topics = made(broker)
    application = over_topics(tmp_path, broker, topics, QUICK)
    sent: list[list[bytes]] = [[], [], []]
    for _ in range(3):
        running = run(tmp_path, "--state", str(tmp_path / "state"), "--shards", "4")
        for whole in (True, False):
            before = _decided(broker, topics)
            _burst(dice, broker, topics["payments"], sent)
            end = time.monotonic() + PATIENCE
            while _decided(broker, topics) < (sum(map(len, sent)) if whole else before + 1):
                assert running.poll() is None and time.monotonic() < end
        running.kill()
        running.wait()
    _equals_its_replay(application, broker, topics, tmp_path, sent)


def through_kills_and_drains(seed: int, broker: Broker, folder: Path, kills: int, drains: int) -> None:
    """Live runs of one and two processes, each ended by a kill -9 or a SIGTERM at a random moment, while payments come and stop."""
    dice = random.Random(seed)
    topics = made(broker)
    application = over_topics(folder, broker, topics, QUICK)
    sent: list[list[bytes]] = [[], [], []]
    ends = ["kill"] * kills + ["drain"] * drains
    dice.shuffle(ends)
    for end in ends:
        more = dice.choice([(), (), ("--processes", "2")])
        before = _decided(broker, topics)
        running = run(folder, "--state", str(folder / "state"), "--shards", "4", *more)
        if end == "drain":  # a signal before the run has begun finds nobody who would drain
            _burst(dice, broker, topics["payments"], sent)
            until = time.monotonic() + PATIENCE
            while _decided(broker, topics) == before:
                assert running.poll() is None and time.monotonic() < until
        for _ in range(dice.randint(1, 4)):
            time.sleep(dice.choice([0.05, 0.3, 1.0, 2.0]) * dice.random() + dice.choice([0, 0, 1.5]))
            _burst(dice, broker, topics["payments"], sent)
        time.sleep(dice.choice([0, 0.1, 1.0, 3.0]) * dice.random())
        assert running.poll() is None, running.communicate()
        if end == "kill":
            running.kill()
            running.wait()
        else:
            running.send_signal(signal.SIGTERM)
            _, told = running.communicate(timeout=PATIENCE)
            assert running.returncode == 0, told
    _equals_its_replay(application, broker, topics, folder, sent)


def _equals_its_replay(
    application: Application, broker: Broker, topics: dict[str, str], folder: Path, sent: list[list[bytes]]
) -> None:
    """Go on to the end of the topics; all flags are those of files without the rows that silence made late."""
    live = Live(lambda: time.time_ns() // 1000, lambda text: None, span=Span(end=END))
    run_here(Job(application, 4, lambda: "now", live=live, state=folder / "state"))
    late = _late(broker, topics)
    silent = {(each["partition"], each["offset"]) for each in late if each["reason"] == "idle"}
    assert silent
    partitions = [[row for at, row in enumerate(part) if (number, at) not in silent] for number, part in enumerate(sent)]
    run_here(Job(_prompt(over_files(folder, partitions, [])), 4, lambda: "now"))
    assert _once(flags_in(broker, topics["flags"])) == flags_of(folder / "flags.jsonl")


def _once(flags: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Flags without repetitions, which are equal."""
    found: dict[str, dict[str, Any]] = {}
    for flag in flags:
        assert found.setdefault(flag["id"], flag) == flag
    return list(found.values())


def _late(broker: Broker, topics: dict[str, str]) -> list[dict[str, Any]]:
    """Late events, each once; a repetition says the same."""
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for event in structured_in(broker, topics["late"]):
        data = event["data"]
        assert found.setdefault((data["partition"], data["offset"]), data) == data
    return list(found.values())


def _burst(dice: random.Random, broker: Broker, topic: str, sent: list[list[bytes]]) -> None:
    """Payments in some partitions, all of them flagged, most of them now and some long before."""
    for number in dice.sample(range(3), dice.randint(1, 2)):
        now = time.time_ns() // 1_000_000
        batch = []
        for at in range(dice.randint(1, 4)):
            before = dice.choice([0, 0, 0, 3_000, 3_600_000])
            batch.append(payment(100_000 * number + len(sent[number]) + at, f"c{dice.randrange(3)}", now + at - before, 300))
        broker.send(topic, batch, number)
        sent[number] += batch


def _decided(broker: Broker, topics: dict[str, str]) -> int:
    """How many payments are flagged or late."""
    flags = [flag for flag in _once(flags_in(broker, topics["flags"])) if flag["source"].endswith("/abroad")]
    return len(flags) + len(_late(broker, topics))


def _prompt(application: Application) -> Application:
    """The application with the lateness of the live one."""
    streams = {name: replace(stream, lateness=0) for name, stream in application.streams.items()}
    return replace(application, streams=streams)
