"""A live run with saved state is stopped, and goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dataflows.commands.stop import Stop
from dataflows.connectors.kafka.embedded import Broker
from dataflows.running import _signals_wait
from dataflows.runtime.workers import all_ended
from tests.kafka.read_back import flags_in
from tests.kafka.shop import made, over_topics
from tests.kafka.test_command import run
from tests.kafka.test_live_run import QUICK, payment

HOUR = {"debounce: 20s": "debounce: 1h"}


@pytest.mark.parametrize(("first", "then"), [("1", "2"), ("2", "1")])
def test_a_stopped_run_goes_on(first: str, then: str, broker: Broker, tmp_path: Path) -> None:
    """The open debounce is not fired at the stop, but where the input ends: once, with the events of both runs; processes may change."""
    topics = made(broker)
    over_topics(tmp_path, broker, topics, {**QUICK, **HOUR})
    now = time.time_ns() // 1_000_000
    broker.send(topics["payments"], [payment(at, "c", now + at, 400) for at in range(3)])
    state = ["--state", str(tmp_path / "state")]
    running = run(tmp_path, "--processes", first, *state)
    before = flags_in(broker, topics["flags"], 1 + 3, 60)
    running.send_signal(signal.SIGTERM)
    _, told = running.communicate(timeout=60)
    assert (running.returncode, "3 rows in" in told) == (0, True), told
    broker.send(topics["payments"], [payment(at, "c", time.time_ns() // 1_000_000 + at, 400) for at in range(3, 5)])
    again = run(tmp_path, "--processes", then, "--to", "end", *state)
    _, told = again.communicate(timeout=60)
    assert (again.returncode, "2 rows in" in told) == (0, True), told
    flags = flags_in(broker, topics["flags"])
    assert all(flag in flags for flag in before)
    bursts = [flag["data"]["evidence_count"] for flag in flags if flag["source"].endswith("/burst")]
    assert bursts == [3]


def test_workers_end_with_whoever_started_them(broker: Broker, tmp_path: Path) -> None:
    """A kill -9 leaves no worker behind that would go on with the state: the next run takes it, and loses nothing."""
    topics = made(broker)
    over_topics(tmp_path, broker, topics, {**QUICK, **HOUR})
    now = time.time_ns() // 1_000_000
    broker.send(topics["payments"], [payment(at, "c", now + at, 400) for at in range(3)])
    state = ["--state", str(tmp_path / "state")]
    running = run(tmp_path, "--processes", "2", *state)
    flags_in(broker, topics["flags"], 1 + 3, 60)
    running.kill()
    running.communicate(timeout=60)
    again = run(tmp_path, "--to", "end", *state)
    _, told = again.communicate(timeout=60)
    assert again.returncode == 0, told
    flags = {flag["id"]: flag["source"].rpartition("/")[2] for flag in flags_in(broker, topics["flags"])}
    assert sorted(flags.values()) == ["abroad"] * 3 + ["burst"]


SLOW = """
import signal, sys, time
def first(number, frame):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    time.sleep(float(sys.argv[1]))
    sys.exit(0)
time.sleep(float(sys.argv[2]))
signal.signal(signal.SIGTERM, first)
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
time.sleep(60)
"""


def test_workers_are_told_to_stop_once() -> None:
    """One that takes longer than its peers is not told again, which would end it at once; nor is one killed that only starts."""
    with _signals_wait():
        workers = [subprocess.Popen([sys.executable, "-c", SLOW, *times]) for times in (("0", "0"), ("1", "0"), ("0", "1"))]
    assert all_ended(workers, lambda: True) == [0, 0, 0]


def test_a_second_signal_ends_at_once() -> None:
    """The first asks, and gives both signals back."""
    stop = Stop()
    before = signal.getsignal(signal.SIGINT)
    with stop.listening():
        assert not stop.asked()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.asked()
        assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == [signal.SIG_DFL] * 2
    assert signal.getsignal(signal.SIGINT) == before


def test_a_killed_worker_is_told_and_its_run_goes_on(broker: Broker, tmp_path: Path) -> None:
    """Exit code 3 with who was killed; started again, the run loses nothing."""
    topics = made(broker)
    over_topics(tmp_path, broker, topics, {**QUICK, **HOUR})
    now = time.time_ns() // 1_000_000
    broker.send(topics["payments"], [payment(at, "c", now + at, 400) for at in range(3)])
    state = ["--state", str(tmp_path / "state")]
    running = run(tmp_path, "--processes", "2", *state)
    flags_in(broker, topics["flags"], 1 + 3, 60)
    workers = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
    os.kill(int(workers[1]), signal.SIGKILL)
    _, told = running.communicate(timeout=60)
    assert running.returncode == 3
    assert "worker process 2 of 2 was killed (SIGKILL)" in told and "Traceback" not in told
    again = run(tmp_path, "--to", "end", *state)
    _, told = again.communicate(timeout=60)
    assert again.returncode == 0, told
    flags = {flag["id"]: flag["source"].rpartition("/")[2] for flag in flags_in(broker, topics["flags"])}
    assert sorted(flags.values()) == ["abroad"] * 3 + ["burst"]
