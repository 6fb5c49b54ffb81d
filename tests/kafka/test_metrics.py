"""Metrics of a live run: every name with its labels, health, and readiness."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import KafkaError

from dataflows.connectors.kafka.connection import Connection
from dataflows.connectors.kafka.embedded import Broker
from dataflows.connectors.kafka.fetch import TopicConsumer
from dataflows.connectors.kafka.live import Live
from dataflows.connectors.kafka.outbox import Outbox
from dataflows.monitoring.counts import Counts
from dataflows.monitoring.health import STALLED, Server, health, readiness
from dataflows.monitoring.metrics import Metrics
from dataflows.monitoring.observed import Observed
from models.application.load import load
from tests.kafka.read_back import flags_in, structured_in
from tests.kafka.shop import made, over_topics
from tests.kafka.test_live_run import QUICK, Running, payment

NAMES = {
    "tocsin_events_total": {"stream"},
    "tocsin_filtered_total": {"stream"},
    "tocsin_dead_letters_total": {"stream", "reason"},
    "tocsin_late_total": {"stream", "reason"},
    "tocsin_watermark_seconds": {"stage"},
    "tocsin_watermark_lag_seconds": {"stream"},
    "tocsin_bound_seconds": {"stream", "partition"},
    "tocsin_watermark_holder": {"stage", "stream", "partition"},
    "tocsin_consumer_lag": {"topic", "partition"},
    "tocsin_batch_rows_bucket": {"le"},
    "tocsin_batch_seconds_bucket": {"stage", "le"},
    "tocsin_keys": {"stage"},
    "tocsin_state_bytes": {"stage"},
    "tocsin_partial_matches": {"pattern"},
    "tocsin_hits_total": {"pattern"},
    "tocsin_flags_total": {"pattern", "mode"},
    "tocsin_suppressed_total": {"pattern", "reason"},
    "tocsin_guarded_total": {"pattern"},
    "tocsin_flag_latency_seconds_bucket": {"pattern", "le"},
    "tocsin_epoch_age_seconds": set(),
    "tocsin_snapshot_seconds_bucket": {"le"},
}
"""Of contracts.md, what a run of this version has; ``tocsin_errors_total`` has a test of its own."""
CHANGED = {
    **QUICK,
    "suppress: {debounce: 20s}": "suppress: {cooldown: 20s}",
    "when: abroad and amount > 90": "when: abroad and amount > 90, guard: amount < 301",
    "    id: id\n": "    id: id\n    where: amount < 1000\n",
    "flags:\n": "  twice: {by: card, sequence: [{a: {when: amount > 1}}, {b: {when: amount > 1}}], within: 1h}\nflags:\n",
}


def scraped(server: Server, path: str = "/metrics") -> tuple[int, str]:
    """Status and text of an answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def samples(text: str) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
    """Samples by name, then labels."""
    from prometheus_client.parser import text_string_to_metric_families

    found: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
    return found


def test_every_metric_is_there_with_its_labels(broker: Broker, tmp_path: Path) -> None:
    """Of a run that saw late, dead, filtered, guarded and suppressed rows; who holds the watermark is told by name."""
    topics = made(broker)
    application = over_topics(tmp_path, broker, topics, CHANGED)
    servers: list[Server] = []
    run = Running(application, clock=time.time, observe=lambda observed: servers.append(Server(Metrics(application, observed), "127.0.0.1", 0)))
    now = time.time_ns() // 1_000_000
    rows = [payment(number, "c1", now + number, 250 + 20 * number) for number in range(6)]
    rows += [payment(9, "c1", now, 5000), json.dumps({"id": 1}).encode(), payment(10, "c1", now - 3_600_000, 95)]
    broker.send(topics["payments"], rows * 3)
    flags_in(broker, topics["flags"], 8)
    structured_in(broker, topics["late"], 1)
    server = servers[0]
    run.until(lambda: scraped(server, "/readyz")[0] == 200)
    run.until(lambda: "tocsin_consumer_lag{" in scraped(server)[1])
    found = samples(scraped(server)[1])
    labels = {name: {key for each in values for key, _ in each} for name, values in found.items()}
    assert {name: labels.get(name) for name in NAMES} == NAMES
    assert found["tocsin_events_total"][frozenset({("stream", "payments")})] == len(rows) * 3
    assert found["tocsin_dead_letters_total"][frozenset({("stream", "payments"), ("reason", "missing")})] == 3
    assert set(found["tocsin_suppressed_total"]) == {frozenset({("pattern", "burst"), ("reason", "cooldown")})}
    holders = [dict(each) for each in found["tocsin_watermark_holder"]]
    assert {each["stream"] for each in holders} <= {"payments", "customers"}
    assert len({each["stage"] for each in holders}) == len(holders)
    assert scraped(server, "/healthz") == (200, "running\n")
    assert scraped(server, "/nothing")[0] == 404
    run.stop()
    server.close()


def test_errors_of_clients_are_counted(tmp_path: Path) -> None:
    """By their kind."""
    broker = Broker().start()
    seen: list[Observed] = []
    run = Running(over_topics(tmp_path, broker, made(broker), QUICK), clock=time.time, observe=seen.append)
    run.until(lambda: bool(seen and seen[0].epoch_at))
    broker.stop()
    run.until(lambda: any(kind.startswith("kafka_") for kind in seen[0].errors))
    run.stop()


def test_health_needs_epochs() -> None:
    """Starting is healthy and not ready; without an epoch for a while a run has stalled."""
    now = [1000.0]
    observed = Observed(Counts(), lambda: now[0])
    assert health(observed) == (True, "starting")
    assert readiness(observed) == (False, "starting: no epoch has been completed yet")
    observed.snapshot(999.5)
    assert health(observed).ok and readiness(observed).ok
    now[0] += STALLED + 1
    assert health(observed) == (False, "stalled: the last epoch was completed 61 s ago; expected at most 60 s")
    observed.reached("main (payments)", False)
    assert health(observed) == (True, "waiting: main (payments) has had no broker for 0 s")
    observed.reached("main (payments)", True)
    assert not health(observed).ok


def test_a_broker_that_is_missed() -> None:
    """A run that waits for one is alive, whatever its epochs; ready it is for half a minute more, and again at once."""
    now = [1000.0]
    observed = Observed(Counts(), lambda: now[0])
    observed.snapshot(999.5)
    observed.reached("main (payments)", False)
    now[0] += 20
    observed.reached("main (payments)", False)
    assert health(observed) == (True, "waiting: main (payments) has had no broker for 20 s")
    assert readiness(observed) == (True, "ready")
    now[0] += STALLED
    assert health(observed) == (True, "waiting: main (payments) has had no broker for 80 s")
    assert readiness(observed) == (False, "waiting: main (payments) has had no broker for 80 s")
    observed.reached("main (payments)", True)
    observed.snapshot(now[0])
    assert health(observed).ok and readiness(observed).ok


def test_a_run_knows_that_its_broker_is_gone(tmp_path: Path) -> None:
    """Its clients notice; its epochs go on, and alive it is all the same."""
    broker = Broker().start()
    topics = made(broker)
    seen: list[Observed] = []
    run = Running(over_topics(tmp_path, broker, topics, QUICK), clock=time.time, observe=seen.append)
    broker.send(topics["payments"], [payment(1, "c1", time.time_ns() // 1_000_000, 300)])
    flags_in(broker, topics["flags"], 1 + 1)
    assert not seen[0].down
    broker.stop()
    run.until(lambda: {f"main ({topics['payments']})", f"main ({topics['customers']})"} <= seen[0].down.keys())
    epochs = seen[0].epochs
    run.until(lambda: seen[0].epochs > epochs + 1)
    assert health(seen[0]).ok
    run.stop()


def test_clients_know_that_a_broker_is_back() -> None:
    """By the statistics that they give."""
    told: list[tuple[str, bool]] = []
    live = Live(lambda: 0, lambda message: None, reached=lambda who, there: told.append((who, there)))
    connection = Connection("main", {"bootstrap.servers": "127.0.0.1:1"})
    consumer, outbox = TopicConsumer(connection, "t", "g", live), Outbox(connection, live)
    for client in (consumer, outbox):
        client._error(KafkaError(KafkaError._ALL_BROKERS_DOWN))
        client._stats('{"brokers": {"a": {"state": "CONNECT", "nodeid": 1}, "b": {"state": "UP", "nodeid": -1}}}')
        client._stats('{"brokers": {"a": {"state": "UP", "nodeid": 1}}}')
    assert told == [("main (t)", False), ("main (t)", True), ("main (writing)", False), ("main (writing)", True)]


def test_storms_and_partial_matches_have_metrics(tmp_path: Path) -> None:
    """What a storm holds back is late; sequences and absences that have begun are counted until they end."""
    from dataflows.running import Job, run_here

    rows = "".join(json.dumps({"ts": second, "u": f"u{second % 3}", "n": second}) + "\n" for second in range(30))
    (tmp_path / "s.jsonl").write_text(rows)
    (tmp_path / "app.yaml").write_text(
        'tocsin: 1\nname: a\nstreams: {s: {from: {file: s.jsonl}, time: ts, fields: {ts: "timestamp[s]", u: string, n: int}}}\n'
        "storm: {max: 10, per: 1h}\n"
        "patterns:\n  every_one: {by: u, when: n >= 0}\n"
        "  fast: {by: u, sequence: [{a: {when: n = 27}}, {b: {when: n = 99}}], within: 1h}\n"
        "  slow: {by: u, sequence: [{a: {when: n = 28}}, {b: {when: n = 99}}], within: 1h, emit: ordered}\n"
        "  silent: {by: u, when: n >= 0, absence: {for: 1d}}\n"
        f"flags: {{to: {{file: {tmp_path}/flags.jsonl}}, late: {{file: {tmp_path}/late.jsonl}}}}\n"
    )
    application = load(tmp_path / "app.yaml")
    seen: list[Observed] = []
    read = lambda: bool(seen) and seen[0].counts.rows["s"] == 30  # noqa: E731 - stopped as it stands, nothing fires
    run_here(Job(application, 2, lambda: "now", observe=seen.append, state=tmp_path / "state", draining=read))
    server = Server(Metrics(application, seen[0]), "127.0.0.1", 0)
    found = samples(scraped(server)[1])
    server.close()
    assert found["tocsin_late_total"] == {frozenset({("stream", "every_one"), ("reason", "storm")}): 20}
    assert _by_pattern(found["tocsin_partial_matches"]) == {"fast": 1, "slow": 1, "silent": 3}


def _by_pattern(values: dict[frozenset[tuple[str, str]], float]) -> dict[str, float]:
    return {dict(labels)["pattern"]: n for labels, n in values.items()}


def test_a_run_over_files_can_be_scraped(tmp_path: Path) -> None:
    """What it had counted at its end."""
    from dataflows.running import Job, run_here

    (tmp_path / "s.jsonl").write_text('{"ts": 1, "u": "a"}\n{"ts": 2, "u": "b"}\n')
    (tmp_path / "app.yaml").write_text(
        'tocsin: 1\nname: a\nstreams: {s: {from: {file: s.jsonl}, time: ts, fields: {ts: "timestamp[s]", u: string}}}\n'
        "features: {seen: {count: true, by: u, over: 1h}}\npatterns: {each_one: {by: u, when: seen > 0}}\n"
    )
    application = load(tmp_path / "app.yaml")
    seen: list[Observed] = []
    outputs = replace(application.outputs, to=str(tmp_path / "flags.jsonl"))
    run_here(Job(replace(application, outputs=outputs), 4, lambda: "now", observe=seen.append, clock=lambda: 10.0))
    server = Server(Metrics(application, seen[0]), "127.0.0.1", 0)
    found = samples(scraped(server)[1])
    server.close()
    assert found["tocsin_hits_total"] == {frozenset({("pattern", "each_one")}): 2}
    assert found["tocsin_keys"] == {frozenset({("stage", "1")}): 2}
    assert found["tocsin_flag_latency_seconds_sum"] == {frozenset({("pattern", "each_one")}): 17}


@pytest.mark.parametrize("text", ["x", "host:", "1:2:99999"])
def test_an_address_is_a_port_or_host_and_port(text: str) -> None:
    import typer

    from dataflows.commands.listening import address

    with pytest.raises(typer.BadParameter, match="expected PORT or HOST:PORT"):
        address(text)
