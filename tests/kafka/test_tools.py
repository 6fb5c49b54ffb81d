"""The operator's commands on topics: what is needed, flags, dead letters and back, a run's status."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from dataflows.commands.app import command
from dataflows.connectors.kafka.embedded import Broker, free_port
from dataflows.connectors.kafka.live import Live, Span
from dataflows.monitoring.health import Server
from dataflows.monitoring.metrics import Metrics
from dataflows.running import Job, run_here
from tests.kafka.read_back import flags_in
from tests.kafka.shop import filled, made, over_topics, rows
from tests.kafka.test_live_run import QUICK, Running, payment


@dataclass
class Ran:
    """A shop whose topics a bounded run has been over."""

    app: str
    topics: dict[str, str]
    broker: Broker


@pytest.fixture(scope="module")
def ran(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("ran")
    topics = filled(broker, *rows(600))
    live = Live(lambda: time.time_ns() // 1000, lambda message: None, lambda: False, Span(end="end"))
    run_here(Job(over_topics(folder, broker, topics), 4, lambda: "2026-01-01T00:00:00Z", live=live))
    return Ran(str(folder / "topics.yaml"), topics, broker)


def told(capfd: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    """What a command prints; standard error where it fails."""
    assert command(words) == code, capfd.readouterr().err
    printed = capfd.readouterr()
    return printed.out if code == 0 or printed.out else printed.err


def test_topics_tells_what_is_needed(ran: Ran, capfd: pytest.CaptureFixture[str]) -> None:
    """Partitions, who reads and writes, and the rights in Kafka's words."""
    text = told(capfd, "topics", ran.app)
    assert ran.topics["payments"] in text and "exists" in text and "missing" not in text
    assert "Read and Describe on topic" in text and "Read on group tocsin-shop (main)" in text
    found = json.loads(told(capfd, "topics", ran.app, "--json"))
    assert {(row["topic"], row["access"], *row["by"], row["partitions"]) for row in found["topics"]} == {
        (ran.topics["payments"], "read", "payments", 3), (ran.topics["customers"], "read", "customers", 1),
        (ran.topics["flags"], "write", "flags", 2), (ran.topics["late"], "write", "late events", 1),
        (ran.topics["dead"], "write", "dead letters", 1),
    }  # fmt: skip
    assert {"resource": "Topic", "name": ran.topics["flags"], "operations": ["Write", "Describe"]} in found["rights"]["main"]


def test_topics_makes_the_missing_ones(broker: Broker, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Missing is exit code 3; made, they are there with so many partitions."""
    topics = {**made(broker), "flags": f"new-{tmp_path.name}-flags", "late": f"new-{tmp_path.name}-late"}
    over_topics(tmp_path, broker, topics)
    app = str(tmp_path / "topics.yaml")
    assert "missing" in told(capfd, "topics", app, code=3)
    assert "made now" in told(capfd, "topics", app, "--create", "--partitions", "2")
    found = {row["topic"]: row["partitions"] for row in json.loads(told(capfd, "topics", app, "--json"))["topics"]}
    assert found[topics["flags"]] == found[topics["late"]] == 2


def test_an_application_over_files_needs_none(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "app.yaml").write_text('tocsin: 1\nname: a\nstreams: {s: {from: {file: s.jsonl}, time: ts, fields: {ts: "timestamp[s]"}}}\n')
    assert "it needs no topics" in told(capfd, "topics", str(tmp_path / "app.yaml"))


def test_a_broker_that_is_not_there_ends_a_question(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 3, with the address."""
    monkeypatch.setattr("dataflows.commands.brokers.SECONDS", 0.5)
    monkeypatch.setattr("dataflows.connectors.kafka.asking.PATIENCE", 0.3)
    port = free_port()
    over_topics(tmp_path, Broker(port), dict.fromkeys(("payments", "customers", "flags", "late", "dead"), "t"))
    text = told(capfd, "topics", str(tmp_path / "topics.yaml"), code=3)
    assert f"127.0.0.1:{port}" in text and "Check that Kafka runs" in text


def test_flags_tail_and_show(ran: Ran, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The last ones by time, those of a pattern and key, and one with its reasons; the same from a file."""
    lines = told(capfd, "flags", "tail", ran.app, "--count", "3").splitlines()
    assert len(lines) == 3 and [line[:19] for line in lines] == sorted(line[:19] for line in lines)
    every = [json.loads(line) for line in told(capfd, "flags", "tail", ran.app, "--count", "10000", "--json").splitlines()]
    assert all(flag["type"].startswith("tocsin.flag.") for flag in every)
    chosen = every[-1]
    name, key = chosen["data"]["pattern"]["name"], chosen["partitionkey"]
    narrow = told(capfd, "flags", "tail", ran.app, "--pattern", name, "--key", key, "--json", "-n", "1000").splitlines()
    assert len(narrow) == sum(flag["data"]["pattern"]["name"] == name and flag["partitionkey"] == key for flag in every) > 0
    shown = told(capfd, "flags", "show", ran.app, chosen["id"])
    assert chosen["id"] in shown and "because" in shown
    (tmp_path / "flags.jsonl").write_text("".join(json.dumps(flag) + "\n" for flag in every))
    assert told(capfd, "flags", "show", str(tmp_path / "flags.jsonl"), chosen["id"]) == shown
    of_file = told(capfd, "flags", "tail", str(tmp_path / "flags.jsonl"), "--count", "3").splitlines()
    assert [line[-8:] for line in of_file] == [flag["id"][:8] for flag in every[-3:]]


def test_mistakes_about_flags(ran: Ran, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Each says what was expected."""
    file = tmp_path / "other.jsonl"
    file.write_text("{}\n")
    cases = [
        (("flags", "show", ran.app, "zzz"), "no flag whose id begins with 'zzz'"),
        (("flags", "tail", str(tmp_path / "none.jsonl")), "cannot be read"),
        (("flags", "tail", str(file)), "other.jsonl:1: expected a CloudEvent"),
        (("flags", "tail", str(file), "--follow", "-n", "0"), "expected a"),
    ]
    for words, expected in cases:
        assert expected in told(capfd, *words, code=1)
    (tmp_path / "app.yaml").write_text('tocsin: 1\nname: a\nstreams: {s: {from: {file: s.jsonl}, time: ts, fields: {ts: "timestamp[s]"}}}\n')
    assert "expected flags: {dead_letters: …}" in told(capfd, "dead", "list", str(tmp_path / "app.yaml"), code=1)


def test_dead_letters_come_back(ran: Ran, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Listed by reason; into a file as lines; and into their partition, byte for byte with key and headers."""
    listed = told(capfd, "dead", "list", ran.app, "--reason", "type", "-n", "1")
    count = int(listed.split(" ", 1)[0])
    assert count == 3 and f"payments: {count} for type" in listed and "amount" in listed
    file = tmp_path / "mended.jsonl"
    assert json.loads(told(capfd, "dead", "replay", ran.app, "--out", str(file), "--json")) == {"replayed": count, "without_value": 0}
    assert [json.loads(line)["amount"] for line in file.read_text().splitlines()] == ["12"] * count
    before = ran.broker.read(ran.topics["payments"], 3)
    assert told(capfd, "dead", "replay", ran.app, "--stream", "payments") == f"{count} rows sent again\n"
    after = ran.broker.read(ran.topics["payments"], 3, len(before) + count)
    kept = {(message.partition(), message.value()) for message in before}
    assert len(after) == len(before) + count
    assert {(message.partition(), message.value()) for message in after} == kept


def test_dead_letters_of_other_topics_are_not_sent(ran: Ran, broker: Broker, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Their application must read the topic they came from."""
    over_topics(tmp_path, broker, made(broker))
    text = told(capfd, "dead", "replay", ran.app, "--into", str(tmp_path / "topics.yaml"), code=1)
    assert f"'payments' does not read topic '{ran.topics['payments']}'" in text


def test_status_tells_who_holds_the_watermark(broker: Broker, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Of a run that waits for the table's first word."""
    application = over_topics(tmp_path, broker, made(broker), {**QUICK, "key: owner": "key: owner\n    idle_after: 1h"})
    servers: list[Server] = []
    run = Running(application, clock=time.time, observe=lambda observed: servers.append(Server(Metrics(application, observed), "127.0.0.1", 0)))
    run.until(lambda: bool(servers) and 'stream="customers"} 1.0' in _scraped(servers[0]))
    at = str(servers[0].port)
    found = json.loads(told(capfd, "status", at, "--json"))[0]
    assert found["healthy"] and not found["ready"]
    assert "customers/0" in {stage["holder"] for stage in found["stages"]}
    text = told(capfd, "status", at)
    assert "customers/0" in text and "held by" in text
    run.stop()
    servers[0].close()
    assert "nobody answers" in told(capfd, "status", at, code=3)


def _scraped(server: Server) -> str:
    from tests.kafka.test_metrics import scraped

    return scraped(server)[1]


def test_a_bank_goes_to_topics_and_a_starter_comes_of_one(broker: Broker, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Everything is sent under its key; the starter of a topic passes check and test, and reads the topic."""
    data, app = tmp_path / "data", tmp_path / "app.yaml"
    size = ("--customers", "60", "--terminals", "80", "--days", "8", "--episodes", "1")
    words = ("generate", "bank", "--out", str(data), *size, "--to", "kafka", "--brokers", broker.servers, "--prefix", f"{tmp_path.name}.")
    found = json.loads(told(capfd, *words, "--partitions", "2", "--json"))
    total = sum(found[name] for name in ("payments", "logins", "transfers", "reports", "changes"))
    assert found["sent"] == total
    messages = broker.read(f"{tmp_path.name}.payments", 2, found["payments"])
    assert len(messages) == found["payments"]
    assert all(json.loads(message.value() or b"")["card_id"].encode() == message.key() for message in messages)
    told(capfd, "init", "--from", f"kafka:{tmp_path.name}.payments", "--brokers", broker.servers, "--out", str(app))
    text = app.read_text()
    assert f"from: {{kafka: main/{tmp_path.name}.payments}}" in text or f'from: {{kafka: "main/{tmp_path.name}.payments"}}' in text
    assert f'bootstrap.servers: "${{BROKERS:-{broker.servers}}}"' in text
    told(capfd, "check", str(app))
    told(capfd, "test", str(app))
    assert f"{found['payments']:,} rows in" in _err(capfd, "run", str(app), "--to", "end")
    changes = tmp_path / "changes.yaml"
    told(capfd, "init", "--from", f"kafka:{tmp_path.name}.customers", "--brokers", broker.servers, "--out", str(changes))
    told(capfd, "check", str(changes))


def test_status_of_a_saved_state(broker: Broker, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Epoch, offsets, who holds each stage, keys and bytes; how far behind it is while the broker answers."""
    topics = made(broker)
    application = over_topics(tmp_path, broker, topics, QUICK)
    now = time.time_ns() // 1_000_000
    state, app = tmp_path / "state", str(tmp_path / "topics.yaml")
    assert "no run has saved state here" in told(capfd, "status", app, "--state", str(state), code=1)
    run = Running(application, state=state)
    for partition in range(3):
        broker.send(topics["payments"], [payment(at, f"c{at}", now + at, 300) for at in range(4)], partition)
    flags_in(broker, topics["flags"], 1 + 12)
    assert "a run is using this state" in told(capfd, "status", app, "--state", str(state), code=1)
    run.stop()
    broker.send(topics["payments"], [payment(9, "c9", now, 1)], 2)
    (found,) = json.loads(told(capfd, "status", app, "--state", str(state), "--json"))
    assert (found["application"], found["ended"]) == ("shop", False) and found["epoch"] > 1 and found["saved_at"].endswith("Z")
    offsets = {(each["topic"], each["partition"]): (each["offset"], each["lag"]) for each in found["offsets"]}
    assert [offsets[topics["payments"], number] for number in range(3)] == [(4, 0), (4, 0), (4, 1)]
    assert [stage["keys"] for stage in found["stages"]][0] == 4 and all(stage["state_bytes"] > 0 for stage in found["stages"])
    bounds = {f"{part['stream']}, {part['partition']}": part["bound"] for part in found["partitions"]}
    assert len(bounds) == 4
    for stage in found["stages"]:
        assert stage["watermark"] == bounds[stage["holder"]]
    assert found["stages"][-1]["watermark"] == min(filter(None, bounds.values())), "the last stage waits for all"
    text = told(capfd, "status", app, "--state", str(state))
    assert "goes on with epoch" in text and f"{topics['payments']}/2" in text and "bytes of state" in text
    changed = tmp_path / "changed.yaml"
    changed.write_text((tmp_path / "topics.yaml").read_text().replace("over: 1m", "over: 2m"))
    assert "as it was before it was changed" in told(capfd, "status", str(changed), "--state", str(state), code=1)
    monkeypatch.setattr("dataflows.commands.brokers.SECONDS", 0.5)
    monkeypatch.setattr("dataflows.connectors.kafka.asking.PATIENCE", 0.3)
    over_topics(tmp_path, Broker(free_port()), topics, QUICK)
    (found,) = json.loads(told(capfd, "status", app, "--state", str(state), "--json"))
    assert [each["lag"] for each in found["offsets"]] == [None] * 4


def test_status_of_a_state_over_files(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Rows read of each file; at the end nothing holds."""
    (tmp_path / "s.jsonl").write_text('{"ts": 1, "u": "a"}\n{"ts": 2, "u": "b"}\n')
    (tmp_path / "app.yaml").write_text(
        'tocsin: 1\nname: a\nstreams: {s: {from: {file: s.jsonl}, time: ts, fields: {ts: "timestamp[s]", u: string}}}\n'
        f"patterns: {{each_one: {{by: u, when: ts is not null}}}}\nflags: {{to: {{file: {tmp_path}/flags.jsonl}}}}\n"
    )
    app, state = str(tmp_path / "app.yaml"), str(tmp_path / "state")
    assert command(["run", app, "--state", state]) == 0
    capfd.readouterr()
    (found,) = json.loads(told(capfd, "status", app, "--state", state, "--json"))
    assert found["ended"] and found["offsets"] == []
    assert found["files"] == [{"source": "s", "file": "s.jsonl", "rows": 2}]
    assert "it has read all of its input" in told(capfd, "status", app, "--state", state)
    assert "expected --state DIR beside an application" in told(capfd, "status", app, code=2)
    assert "expected one application beside --state" in told(capfd, "status", app, app, "--state", state, code=2)


def test_what_is_laid_over_an_application(ran: Ran, broker: Broker, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Overlays, parameters and inputs, as ``run`` takes them."""
    flags = told(capfd, "flags", "tail", ran.app, "--count", "2")
    text = Path(ran.app).read_text().replace(f"kafka: main/{ran.topics['flags']}", "kafka: main/elsewhere")
    (tmp_path / "app.yaml").write_text(text.replace("sum_1m > 100", "sum_1m > $least") + "params: {least: {value: 100}}\n")
    (tmp_path / "over.yaml").write_text(f"flags: {{to: {{kafka: main/{ran.topics['flags']}}}}}\n")
    (tmp_path / "s.jsonl").write_text("")
    over = ("--with", str(tmp_path / "over.yaml"), "--param", "least=7", "--input", f"payments={tmp_path}/s.jsonl")
    app = str(tmp_path / "app.yaml")
    assert told(capfd, "flags", "tail", app, "--count", "2", *over) == flags
    assert "elsewhere" in told(capfd, "topics", app, code=3)
    shown = told(capfd, "topics", app, *over)
    assert "elsewhere" not in shown and ran.topics["payments"] not in shown
    assert "dead letters" in told(capfd, "dead", "list", app, *over)
    for words in (("flags", "tail", app), ("topics", app), ("dead", "list", app)):
        assert "nothing" in told(capfd, *words, "--param", "nothing=1", code=1)


def test_a_starter_with_a_login(broker: Broker, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Settings of a file; the password is not in what is written, and named in what is said."""
    topic = broker.topic()
    broker.send(topic, [payment(at, "c", 1_790_000_000_000 + at) for at in range(20)])
    settings = tmp_path / "client.properties"
    settings.write_text(f"bootstrap.servers={broker.servers}\nsasl.password=hidden-word\n")
    app = tmp_path / "app.yaml"
    given = ("--settings", str(settings), "--set", "client.id=somebody", "--out", str(app))
    said = told(capfd, "init", "--from", f"kafka:{topic}", *given)
    assert "set SASL_PASSWORD in the environment" in said
    text = app.read_text()
    assert "hidden-word" not in text and "${SASL_PASSWORD:-}" in text and "somebody" in text
    told(capfd, "check", str(app))


def test_mistakes_about_topics(broker: Broker, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Each says what was expected."""
    out = ("--out", str(tmp_path / "app.yaml"), "--brokers", broker.servers)
    assert "topic 'nowhere' does not exist" in told(capfd, "init", "--from", "kafka:nowhere", *out, code=3)
    empty, odd = broker.topic(), broker.topic()
    assert "holds no values" in told(capfd, "init", "--from", f"kafka:{empty}", *out, code=1)
    broker.send(odd, [b"not json"])
    assert f"topic '{odd}'" in told(capfd, "init", "--from", f"kafka:{odd}", *out, code=1)
    assert "expected kafka; found 'rabbit'" in told(capfd, "generate", "bank", "--out", str(tmp_path), "--to", "rabbit", code=2)


def test_a_rate_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that only sleeping moves."""
    from dataflows.commands import generate

    now = [0.0]
    monkeypatch.setattr(generate.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(generate.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    assert list(generate.paced(range(1001), 500)) == list(range(1001))
    assert 1.98 <= now[0] <= 2.0
    assert list(generate.paced(range(3), 0)) == [0, 1, 2]


def _err(capfd: pytest.CaptureFixture[str], *words: str) -> str:
    assert command(words) == 0, capfd.readouterr().err
    return capfd.readouterr().err
