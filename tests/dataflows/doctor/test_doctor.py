"""What the doctor says of a machine, of disks, and of topics as they are set up: each finding once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from dataflows.connectors.kafka.described import Described
from dataflows.connectors.kafka.needed import needed
from dataflows.doctor.brokers import settings
from dataflows.doctor.disk import disks
from dataflows.doctor.findings import Finding
from dataflows.doctor.machine import interpreter, kernels, memory
from dataflows.doctor.topics import topic_findings
from dataflows.state.directory import opened
from models.application.load import load
from models.application.resolved.application import Application

TEXT = """tocsin: 1
name: shop
connections: {main: {kafka: {bootstrap.servers: "127.0.0.1:1"}}}
streams:
  payments: {from: {kafka: payments}, time: ts, lateness: 10m, max_ahead: 1h, fields: {ts: "timestamp[ms]", card: string}}
tables:
  customers: {from: {kafka: customers}, format: debezium, key: card, fields: {card: string}}
features: {seen: {count: true, by: card, over: 7d}}
patterns: {often: {by: card, when: seen > 3}}
flags: {to: {kafka: flags}, late: {file: late.jsonl}}
"""


@pytest.fixture
def application(tmp_path: Path) -> Application:
    (tmp_path / "app.yaml").write_text(TEXT)
    return load(tmp_path / "app.yaml")


def said(findings: list[Finding]) -> list[tuple[str, str]]:
    """Levels and texts of what is not well; every one has a cure."""
    assert all(finding.cure for finding in findings if finding.level != "ok")
    return [(finding.level, finding.text) for finding in findings if finding.level != "ok"]


def test_python_memory() -> None:
    assert interpreter((3, 12)).level == "ok"
    assert interpreter((3, 13)).text == "expected Python 3.11 or 3.12, for which the runtime exists; found Python 3.13"
    found = [memory(megabytes << 20) for megabytes in (100, 600, 8_000)]
    assert [(each.level, each.text) for each in found] == [
        ("fault", "100 MB are free; expected at least 384 MB"), ("warning", "600 MB are free"), ("ok", "8,000 MB are free"),
    ]  # fmt: skip


def test_kernels_that_are_not_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning where the first run can, a fault where no run can keep them; compiled before a change counts as not."""
    for name in ("dataflows", "models"):
        (tmp_path / name).mkdir()
    source = tmp_path / "dataflows" / "k.py"
    source.write_text("@nb.njit(cache=True)\ndef f():\n    pass\n")
    found = kernels(tmp_path, [])
    assert (found.level, found.text) == ("warning", "1 of 1 files with kernels are not compiled, such as dataflows/k.py")
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert kernels(tmp_path, []).text.endswith("and there is no place to keep them: every start would compile them for minutes")
    import sys

    cache = tmp_path / "cache" / "of_some_folder"
    cache.mkdir(parents=True)
    made = cache / f"k.f-2.py{sys.version_info[0]}{sys.version_info[1]}.nbi"
    made.write_bytes(b"")
    assert kernels(tmp_path, [tmp_path / "cache"]).text == "compiled (1 files)"
    os.utime(source, (made.stat().st_mtime + 1,) * 2)
    assert kernels(tmp_path, [tmp_path / "cache"]).level == "fault"


def test_a_state_and_the_folders_of_outputs(application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room, rights, whose state it is, and who uses it."""
    state = tmp_path / "state"
    plenty = lambda path: 1 << 40  # noqa: E731
    assert said(list(disks(application, state, 16, plenty))) == []
    assert said(list(disks(application, None, 16, plenty))) == [
        ("warning", "no --state directory: a run that was killed begins again at the first offsets")
    ]
    few = said(list(disks(application, state, 16, lambda path: 10 << 20)))
    assert few == [("fault", "10 MB are free; expected at least 64 MB")] * 2
    assert said(list(disks(application, state, 16, lambda path: 100 << 20))) == [("warning", "100 MB are free")] * 2
    with opened(state, application, 16):
        assert said(list(disks(application, state, 16, plenty))) == [("warning", "a run is using it now")]
    assert said(list(disks(application, state, 16, plenty))) == []
    assert "expected --shards 16, which is fixed" in said(list(disks(application, state, 8, plenty)))[0][1]
    (tmp_path / "other.yaml").write_text(TEXT.replace("name: shop", "name: other"))
    assert "this state was made by application 'shop'" in said(list(disks(load(tmp_path / "other.yaml"), state, 16, plenty)))[0][1]
    (state / "state.json").write_text("{")
    assert "state.json: cannot be read" in said(list(disks(application, state, 16, plenty)))[0][1]
    (tmp_path / "file").write_text("")
    assert "is a file" in said(list(disks(application, tmp_path / "file" / "state", 16, plenty)))[0][1]
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert said(list(disks(application, tmp_path / "new", 16, plenty)))[0] == ("fault", f"{tmp_path} cannot be written")


def findings(application: Application, name: str, topic: Described | None) -> list[tuple[str, str]]:
    need = next(need for need in needed(application) if need.topic == name)
    return said(topic_findings(application, need, topic))


@pytest.mark.parametrize(
    ("topic", "given", "level", "text"),
    [
        ("payments", {"cleanup.policy": "compact"}, "fault", "it is compacted: of each key only the last event stays for stream payments"),
        ("payments", {"retention.ms": "60000"}, "fault",
         "records are deleted after 1m, while stream payments takes events that are 10m late"),
        ("payments", {"retention.ms": "86400000"}, "warning",
         "records are deleted after 1d; feature seen looks 7d back: a run that begins anew lacks the rest"),
        ("payments", {"message.timestamp.type": "CreateTime"}, "warning",
         "producers set the records' timestamps, from which max_ahead cannot tell that a producer's clock is ahead"),
        ("customers", {"cleanup.policy": "delete", "retention.ms": "86400000"}, "warning",
         "rows of table customers that do not change are deleted after retention.ms"),
        ("flags", {"cleanup.policy": "compact"}, "fault", "it is compacted: of each key only the last of flags stays"),
        ("flags", {"min.insync.replicas": "2"}, "fault", "it takes no records: min.insync.replicas is 2, and it has 1 replica(s)"),
        ("flags", {"max.message.bytes": "1000"}, "warning",
         "it takes records of at most 1,000 bytes: a larger one of flags ends the run"),
    ],
)  # fmt: skip
def test_topics_as_they_are_set_up(application: Application, topic: str, given: Mapping[str, str], level: str, text: str) -> None:
    assert findings(application, topic, Described(topic, 3, settings=given)) == [(level, text)]


@pytest.mark.parametrize(
    ("topic", "given"),
    [
        ("payments", {"cleanup.policy": "delete", "retention.ms": "-1", "message.timestamp.type": "LogAppendTime"}),
        ("payments", {"message.timestamp.type": "CreateTime", "message.timestamp.after.max.ms": "3600000"}),
        ("payments", {"retention.ms": "700000000"}),
        ("customers", {"cleanup.policy": "compact"}),
        ("flags", {"cleanup.policy": "delete", "min.insync.replicas": "1", "max.message.bytes": "1048588"}),
    ],
)
def test_topics_that_suit(application: Application, topic: str, given: Mapping[str, str]) -> None:
    assert findings(application, topic, Described(topic, 3, settings=given)) == []


def test_topics_that_are_not_whole(application: Application) -> None:
    """Missing, without a leader, with replicas behind, or without leave to look."""
    assert findings(application, "payments", None) == [("fault", "it does not exist; it is read for payments")]
    assert findings(application, "flags", None) == [("fault", "it does not exist; it is written for flags")]
    assert findings(application, "flags", Described("flags", 3, leaderless=(1, 2))) == [("fault", "partition(s) 1, 2 have no leader")]
    behind = findings(application, "flags", Described("flags", 3, short=(0,)))
    assert behind == [("warning", "partition(s) 0 have replicas that lag behind")]
    assert findings(application, "flags", Described("flags", 3, settings=None)) == [("warning", "its settings cannot be seen")]


def test_settings_that_undo_what_a_run_promises() -> None:
    given = {"transactional.id": "x", "enable.idempotence": "False", "acks": "1", "isolation.level": "read_uncommitted"}
    levels = {text.split(" ")[0]: level for level, text in said(list(settings("main", given)))}
    assert levels == {"transactional.id": "fault", "enable.idempotence": "fault", "acks": "fault", "isolation.level": "warning"}
    assert list(settings("main", {"acks": "all", "enable.idempotence": "true", "isolation.level": "read_committed"})) == []
