"""A topic's partition as part of the source: every message is judged, whatever it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import KafkaError, Message

from dataflows.connectors.kafka import fetch
from dataflows.connectors.kafka.reasons import KafkaProblem
from dataflows.reading.alignment import Alignment
from dataflows.runtime import part as parts
from dataflows.runtime.topology import Topology
from models.application.load import load
from models.values.packed import UnknownState, versioned
from tests.kafka.parts import SECOND, Clock, judged, part_of, readers_of
from tests.kafka.test_live_bounds import PAYMENTS, payment

TWO = """streams:
  payments:
    from: {kafka: main/payments}
    time: ts
    lateness: 2s
    max_dead: 100%
    correlation: header:x-id
    fields: {ts: "timestamp[us]", card: string}
  large:
    from: {kafka: main/payments}
    time: ts
    lateness: 0s
    dedup: 1h
    id: card
    fields: {ts: "timestamp[us]", card: string}
patterns:
  any_card: {on: payments, by: card, when: card is not null}
  any_large: {on: large, by: card, when: card is not null}
"""


def test_a_topic_of_two_streams_is_fetched_once(tmp_path: Path) -> None:
    """Both judge every message, each by its own rules."""
    clock = Clock()
    part, consumer = part_of(readers_of(tmp_path, TWO), clock)
    consumer.give([payment(clock.now), payment(clock.now + 1)])
    first, second = judged(part)
    assert (first.rows, second.rows, first.duplicates, second.duplicates) == (2, 2, 0, 1)
    assert len(consumer.logs) == 1


def test_odd_messages(tmp_path: Path) -> None:
    """0 bytes: a dead letter; a tombstone: counted; 5 MB, newlines and null keys: events; keys and headers come back in dead letters."""
    clock = Clock()
    part, consumer = part_of(readers_of(tmp_path, TWO)[:1], clock)
    big = payment(clock.now)[:-1] + b',"more":"' + b"x" * 5_000_000 + b'"}'
    consumer.give([b"", None, big, payment(clock.now).replace(b",", b",\n")])
    consumer.give([b"{"], key=b"k", headers=[("a", b"1"), ("a", None)])
    found = judged(part)[0]
    assert found.rows == 5 and found.counts == {"tombstones": 1}
    assert [(dead.reason, dead.offset, dead.value, dead.key, list(dead.headers)) for dead in found.dead] == [
        ("syntax", 0, b"", None, []), ("syntax", 4, b"{", b"k", [("a", b"1"), ("a", None)]),
    ]  # fmt: skip
    assert found.dead[0].received == clock.now // 1000 * 1000
    assert found.batch is not None and found.batch.offset.tolist() == [2, 3]


def test_headers_are_attributes(tmp_path: Path) -> None:
    """Trace context, CloudEvents attributes, and every header by its name; a taken row keeps them."""
    clock = Clock()
    part, consumer = part_of(readers_of(tmp_path, TWO)[:1], clock)
    consumer.give([payment(clock.now)], headers=[("traceparent", b"00-1"), ("ce_id", b"7"), ("ce_source", b"/shop"), ("x-id", b"\xff9")])
    found = judged(part)[0]
    assert found.batch is not None
    attributes = found.batch.take([0]).rows.attributes(0)  # type: ignore[arg-type]
    assert {name: attributes[name] for name in ("traceparent", "id", "source", "header:x-id", "topic", "offset")} == {
        "traceparent": "00-1", "id": "7", "source": "/shop", "header:x-id": "\ufffd9", "topic": "payments", "offset": "0",
    }  # fmt: skip


def test_credit_ends_until_the_next_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two snapshots only so many messages are read."""
    monkeypatch.setattr(parts, "CREDIT", 3)
    monkeypatch.setattr(parts, "ROWS", 2)
    clock = Clock()
    part, consumer = part_of(readers_of(tmp_path, PAYMENTS), clock)
    consumer.give([payment(clock.now + at) for at in range(6)])
    assert [sum(found.rows for found in judged(part)) for _ in range(3)] == [2, 2, 0]
    part.snapshot()
    assert [found.rows for found in judged(part)] == [2]


def test_a_snapshot_goes_on_where_it_was(tmp_path: Path) -> None:
    """Offset, newest time and remembered ids come back; other versions are refused."""
    clock = Clock()
    part, consumer = part_of(readers_of(tmp_path, TWO), clock)
    consumer.give([payment(clock.now), payment(clock.now + 1)])
    judged(part)
    state = part.snapshot()
    again, consumer = part_of(readers_of(tmp_path, TWO), clock, state)
    assert again.log.offset == 2 and again.bound == clock.now + 1 - 2 * SECOND
    consumer.give([payment(clock.now + 2)])
    assert [found.duplicates for found in judged(again)] == [0, 1]
    with pytest.raises(UnknownState, match="a topic's partition, version 2; found a topic's partition 9. Start with another --state"):
        part_of(readers_of(tmp_path, TWO), clock, versioned(9, "a topic's partition", {}))


def test_a_span_by_time_ends_where_nothing_before_it_can_follow(tmp_path: Path) -> None:
    """Events before the end are read though others come between; later ones are not, and the bound stops there."""
    clock = Clock()
    end = clock.now + 5 * SECOND
    part, consumer = part_of(readers_of(tmp_path, PAYMENTS), clock, end=end)
    consumer.give([payment(clock.now), payment(end), payment(end - 1), payment(end + 2 * SECOND), payment(end - 1)])
    found = judged(part)
    times = [time for each in found if each.batch is not None for time in each.batch.time.tolist()]
    assert times == [clock.now, end - 1]
    assert found[-1].bound == end and not found[-1].done
    with pytest.raises(StopIteration):
        part.next_batch()


def test_a_drain_ends_without_a_last_word(tmp_path: Path) -> None:
    """No final bound, nothing read."""
    clock = Clock()
    part, consumer = part_of(readers_of(tmp_path, PAYMENTS), clock)
    consumer.give([payment(clock.now)])
    clock.stopping = True
    with pytest.raises(StopIteration):
        part.next_batch()


def test_records_before_the_span_are_skipped(tmp_path: Path) -> None:
    """By their timestamps, whatever offset the broker gave for the time."""
    clock = Clock()
    part, consumer = part_of(readers_of(tmp_path, PAYMENTS), clock, begin=clock.now)
    consumer.give([payment(clock.now)], timestamp=(1, clock.now // 1000 - 1))
    consumer.give([payment(clock.now + 1)])
    assert [found.rows for found in judged(part)] == [1]
    assert part.log.offset == 2


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (KafkaError._UNKNOWN_PARTITION, "topic 'payments', partition 0: it does not exist any more on connection 'main'"),
        (KafkaError._AUTO_OFFSET_RESET, "topic 'payments', partition 0: the offset to go on from is not in the log any more"),
    ],
)
def test_what_cannot_be_read_stops_the_run(code: int, message: str, tmp_path: Path) -> None:
    """A partition or an offset that vanished: never passed over in silence."""
    _, consumer = part_of(readers_of(tmp_path, PAYMENTS), Clock())
    with pytest.raises(KafkaProblem) as found:
        consumer._take([Message(topic="payments", partition=0, error=KafkaError(code))], 0)
    assert message in str(found.value) and found.value.code == 3


def test_a_partition_that_vanished_is_left_out(tmp_path: Path) -> None:
    """Its state stays, and the run says so; the others go on."""
    clock = Clock()
    readers = readers_of(tmp_path, PAYMENTS)
    topology = Topology(load(tmp_path / "app.yaml"), clock.live())
    parts_ = topology.parts(readers, ["main/payments/0", "main/payments/1"])
    assert clock.said == [
        "main/payments/1: the saved state knows this partition, and its topic does not have it any more; it is left out"
    ]
    gone = parts_["main/payments/1"](Alignment(), b"state")
    assert gone.snapshot() == b"state"
    with pytest.raises(StopIteration):
        gone.next_batch()


def test_fetching_pauses_when_too_much_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And goes on when there is room."""
    monkeypatch.setattr(fetch, "_FULL", 3)
    monkeypatch.setattr(fetch, "_ROOM", 2)
    clock = Clock()
    part, consumer = part_of(readers_of(tmp_path, PAYMENTS), clock)
    done: list[str] = []

    class Client:
        def pause(self, places: object) -> None:
            done.append("pause")

        def resume(self, places: object) -> None:
            done.append("resume")

    consumer.give([payment(clock.now)] * 4)
    consumer._pace(Client(), part.log)  # type: ignore[arg-type]
    consumer._pace(Client(), part.log)  # type: ignore[arg-type]
    part.log.take(3)
    consumer._pace(Client(), part.log)  # type: ignore[arg-type]
    assert done == ["pause", "resume"]
