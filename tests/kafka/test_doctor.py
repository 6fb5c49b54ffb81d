"""``tocsin doctor`` on a broker: each fault of brokers, registries and records once, and what is well."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dataflows.commands.app import command
from dataflows.connectors.kafka.embedded import Broker, free_port
from tests.kafka.refusing import Server, no_password
from tests.kafka.registry import FakeRegistry
from tests.kafka.shop import made, over_topics

SECOND = 1_000
MACHINE = ("python", "kernels", "memory", "state ", "output ")
Found = Callable[..., dict[str, Any]]


@pytest.fixture
def found(capfd: pytest.CaptureFixture[str]) -> Found:
    """Asks the doctor; texts of what is not well by level and about, but for what is so of the machine that the tests run on."""

    def ask(path: Path, *words: str, code: int = 0) -> dict[str, Any]:
        given = ("doctor", str(path), "--state", str(path.parent / "state"), *words, "--json")
        assert command(given) == code, capfd.readouterr()
        told = json.loads(capfd.readouterr().out)
        assert told["ok"] == (code == 0)
        assert all(each["cure"] for each in told["findings"] if each["level"] != "ok")
        kept = [each for each in told["findings"] if not each["about"].startswith(MACHINE) and each["level"] != "ok"]
        return {f"{each['level']} {each['about']}": each["text"] for each in kept}

    return ask


def row(number: int, time_: int, **more: Any) -> bytes:
    """A payment."""
    return json.dumps(
        {"id": f"p{number}", "ts": time_, "card": f"c{number}", "owner": "o", "amount": 1, "country": "DE", **more}
    ).encode()


def change(number: int, time_: int) -> bytes:
    after = {"owner": f"o{number}", "home": "DE"}
    return json.dumps({"op": "c", "before": None, "after": after, "source": {"ts_ms": time_}, "ts_ms": time_}).encode()


@pytest.fixture
def shop(broker: Broker, tmp_path: Path) -> tuple[Broker, dict[str, str], Path, int]:
    """A shop in order: records of now in every partition."""
    topics, now = made(broker), time.time_ns() // 1_000_000
    for partition in range(3):
        broker.send(topics["payments"], [row(partition * 10 + at, now - 50 + at) for at in range(10)], partition)
    broker.send(topics["customers"], [change(1, now)], key=b'{"owner":"o1"}')
    over_topics(tmp_path, broker, topics)
    return broker, topics, tmp_path / "topics.yaml", now


Shop = tuple[Broker, dict[str, str], Path, int]


def test_all_is_well(shop: Shop, found: Found, capfd: pytest.CaptureFixture[str]) -> None:
    """No finding, in words too."""
    assert found(shop[2]) == {}
    assert command(["doctor", str(shop[2]), "--state", str(shop[2].parent / "state")]) == 0
    told = capfd.readouterr().out
    assert f"connection main: {shop[0].servers} answers (PLAINTEXT)" in told and "\n0 fault(s), " in told
    assert "stream payments: the last 30 records of 3 partition(s) were read" in told


def test_an_application_with_mistakes(tmp_path: Path, found: Found, capfd: pytest.CaptureFixture[str]) -> None:
    """Each with its place."""
    app = tmp_path / "app.yaml"
    app.write_text('tocsin: 1\nname: a\nstreams: {s: {from: {file: s.jsonl}, time: when, fields: {ts: "timestamp[s]"}}}\n')
    (about,) = found(app, code=1)
    assert about == f"fault application {app}:3:44" and command(["doctor", str(app)]) == 1
    assert "\n         → correct it: tocsin check shows the same\n1 fault(s), " in capfd.readouterr().out


def test_files_that_are_not_there(tmp_path: Path, found: Found) -> None:
    app = tmp_path / "app.yaml"
    app.write_text('tocsin: 1\nname: a\nstreams: {s: {from: {file: s.jsonl}, time: ts, fields: {ts: "timestamp[s]"}}}\n')
    assert "no such file" in found(app, code=1)["fault input s"]


def test_a_broker_that_is_not_there(tmp_path: Path, found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataflows.commands.brokers.SECONDS", 0.5)
    monkeypatch.setattr("dataflows.connectors.kafka.asking.PATIENCE", 0.3)
    over_topics(tmp_path, Broker(free_port()), dict.fromkeys(("payments", "customers", "flags", "late", "dead"), "t"))
    assert "Connection refused" in found(tmp_path / "topics.yaml", code=1)["fault connection main"]


def test_a_refused_login(tmp_path: Path, found: Found) -> None:
    """Without the password."""
    with Server(no_password) as server:
        login = "security.protocol: SASL_PLAINTEXT, sasl.mechanism: PLAIN, sasl.username: u, sasl.password: hidden, bootstrap.servers"
        topics = dict.fromkeys(("payments", "customers", "flags", "late", "dead"), "t")
        over_topics(tmp_path, Broker(server.port), topics, {"bootstrap.servers": login})
        told = found(tmp_path / "topics.yaml", code=1)["fault connection main"]
    assert told.startswith("the broker refused the login") and "hidden" not in told


def test_a_wrong_setting(broker: Broker, tmp_path: Path, found: Found) -> None:
    over_topics(tmp_path, broker, made(broker), {"bootstrap.servers": "no.such: x, bootstrap.servers"})
    assert "no.such" in found(tmp_path / "topics.yaml", code=1)["fault connection main"]


def test_topics_that_are_missing_or_compacted(broker: Broker, tmp_path: Path, found: Found) -> None:
    """The others are sampled all the same."""
    topics = {**made(broker), "flags": broker.topic(2, settings={"cleanup.policy": "compact"}), "late": "nowhere"}
    over_topics(tmp_path, broker, topics)
    told = found(tmp_path / "topics.yaml", code=1)
    assert told["fault topic main/nowhere"] == "it does not exist; it is written for late events"
    assert "it is compacted" in told[f"fault topic main/{topics['flags']}"]
    assert told["warning stream payments"] == "its topics hold no records: nothing could be tried"


def test_records_that_cannot_be_read(shop: Shop, found: Found) -> None:
    """A few are a warning, more than max_dead a fault; with the place of one."""
    broker, topics, app, now = shop
    broker.send(topics["payments"], [row(99, now, amount="12")])
    text = found(app)["warning stream payments"]
    assert text.startswith("1 of 31 records are dead letters, 1 for type: field 'amount'") and "partition 0, offset 10)" in text
    broker.send(topics["payments"], [b"{}"] * 3)
    text = found(app, code=1)["fault stream payments"]
    assert "4 of 34 records are dead letters, 3 for missing" in text and "more than max_dead (5%) end a run" in text


def test_disorder_beyond_lateness(shop: Shop, found: Found) -> None:
    broker, topics, app, now = shop
    broker.send(topics["payments"], [row(99, now - 9 * SECOND)], timestamp=now - 9 * SECOND)
    text = found(app)["warning stream payments"]
    assert text.startswith("1 of 31 events are further out of order than lateness (2s) allows: up to 9s")


def test_events_that_come_long_after_their_time(shop: Shop, found: Found) -> None:
    """``idle_after`` must exceed how long producers take; what was loaded a day later tells nothing of them."""
    broker, topics, app, now = shop
    topics["payments"] = broker.topic(3)
    over_topics(app.parent, broker, topics)
    for partition in range(3):
        broker.send(topics["payments"], [row(at, now - 30 * SECOND) for at in range(100)], partition, timestamp=now)
    text = found(app)["warning stream payments"]
    assert text == "99 of 100 events reach the topic up to 30s after their time; idle_after is 1s: after a silence such events are late"
    topics["payments"] = broker.topic(3)
    over_topics(app.parent, broker, topics)
    for partition in range(3):
        broker.send(topics["payments"], [row(at, now - 90_000 * SECOND) for at in range(100)], partition, timestamp=now)
    assert found(app) == {}


def test_clocks(shop: Shop, found: Found) -> None:
    """A producer's that is ahead of its records, and records that are ahead of ours."""
    broker, topics, app, now = shop
    broker.send(topics["payments"], [row(99, now + 60 * SECOND)], timestamp=now)
    assert found(app)["warning stream payments"] == "event times are up to 1m ahead of their records' timestamps"
    broker.send(topics["customers"], [change(2, now)], key=b"{}", timestamp=now + 3_600 * SECOND)
    text = found(app)["warning table customers"]
    assert text.startswith("the newest record's timestamp is ") and text.endswith(" ahead of this machine's clock")


def test_a_broken_promise(shop: Shop, found: Found) -> None:
    """Every key of the sample is looked at."""
    broker, topics, app, now = shop
    over_topics(app.parent, broker, topics, {"    id: id\n": "    id: id\n    partitioned_by: card\n"})
    assert found(app) == {}
    broker.send(topics["payments"], [row(5, now)], 1)
    text = found(app, code=1)["fault stream payments"]
    assert text == "1 of 30 keys lie in two partitions, against partitioned_by: card: their flags would be wrong"


def test_silent_partitions(shop: Shop, found: Found) -> None:
    """Beside busy ones; with ``partitioned_by`` nothing waits for them."""
    broker, topics, app, now = shop
    topics["payments"] = broker.topic(3)
    over_topics(app.parent, broker, topics)
    broker.send(topics["payments"], [row(1, now)], 0)
    broker.send(topics["payments"], [row(2, now - 90 * SECOND)], 2, timestamp=now - 90 * SECOND)
    text = found(app)["warning stream payments"]
    assert text == "partition(s) 1, 2 are silent while others are busy: every flag waits 1s more for them"
    over_topics(app.parent, broker, topics, {"    id: id\n": "    id: id\n    partitioned_by: card\n"})
    assert found(app) == {}


def test_keys_that_are_null(shop: Shop, found: Found) -> None:
    """Of events, and of a table's records."""
    broker, topics, app, now = shop
    over_topics(app.parent, broker, topics, {"card: string": 'card: "string?"'})
    broker.send(topics["payments"], [row(99, now, card=None)] * 6)
    broker.send(topics["customers"], [change(3, now)])
    told = found(app)
    assert told["warning stream payments"].startswith("card is null in 6 of 36 records")
    assert told["warning table customers"] == "1 of 2 records have no key: a deletion does not say whose it is"


def test_registries(broker: Broker, tmp_path: Path, found: Found) -> None:
    """One that answers, refuses, is not there."""
    registry = FakeRegistry(login="u:right")
    topic = broker.topic()
    app = tmp_path / "app.yaml"

    def told(url: str, login: str) -> dict[str, Any]:
        app.write_text(
            f"tocsin: 1\nname: a\nconnections:\n  main:\n    kafka: {{bootstrap.servers: '{broker.servers}'}}\n    schema_registry:"
            f" {{url: '{url}', basic.auth.user.info: '{login}', max.retries: '0'}}\nstreams:\n  s: {{from: {{kafka: {topic}}},"
            ' format: avro, time: ts, lateness: 0s, fields: {ts: timestamp}}\n'
        )
        return found(app, code=0 if login == "u:right" and url == registry.url else 1)

    about = "fault schema registry of main"
    assert about not in told(registry.url, "u:right")
    assert told(registry.url, "u:wrong")[about].endswith("refused the login")
    assert "does not answer" in told(f"http://127.0.0.1:{free_port()}", "u:right")[about]
    registry.stop()
