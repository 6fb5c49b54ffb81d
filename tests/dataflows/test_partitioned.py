"""Stages by partition: what is exchanged and why, who waits for whom, and the check of the promise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dataflows.batches.batch import BEFORE_ALL
from dataflows.engine import Engine
from dataflows.operators.canonical import hashes
from dataflows.planning.partitioned import divided, exchange_of
from dataflows.planning.plan import plan
from dataflows.reading.alignment import AHEAD, AHEAD_ROWS, Alignment
from dataflows.reading.promise import PromiseCheck, Sampled
from dataflows.reading.readers import file_readers
from models.application.load import load
from models.application.resolved.application import Application
from models.values.strings import strings_of

APPLICATION = """tocsin: 1
name: shop
streams:
  pays:
    from: {files: "pays-*.jsonl", as: partitions}
    time: ts
    partitioned_by: card
    fields: {ts: "timestamp[s]", card: string, shop: int}
  logins:
    from: {files: "logins-*.jsonl", as: partitions}
    time: ts
    partitioned_by: card
    fields: {ts: "timestamp[s]", card: string}
tables:
  people: {from: {file: people.jsonl}, format: debezium, key: card, fields: {card: string, home: string}}
features:
  n: {count: true, of: pays, by: card, over: 1h}
  seen: {count: true, of: logins, by: card, over: 1h}
patterns:
  often: {on: pays, by: card, when: n >= 2}
"""


def written(folder: Path, text: str = APPLICATION, pays: int = 2, logins: int = 2) -> Application:
    """The application over partitions of a few rows: card c<p> lies in partition p."""
    for name, count in (("pays", pays), ("logins", logins)):
        for number in range(count):
            rows = [{"ts": 10 + each, "card": f"c{number}", "shop": 1} for each in range(3)]
            (folder / f"{name}-{number}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "people.jsonl").write_text("")
    (folder / "app.yaml").write_text(text)
    return load(folder / "app.yaml")


def test_a_stage_by_the_promised_key_has_a_shard_a_partition(tmp_path: Path) -> None:
    """As many as there are partitions; each hears of its own partition alone."""
    compiled = plan(written(tmp_path, APPLICATION.replace("n >= 2", "n >= 2 and seen >= 0"), pays=3, logins=3))
    readers = file_readers(compiled)
    assert divided(compiled, readers, 16).counts == {0: 3}
    engine = Engine(compiled, readers, shards=16)
    numbers = [{reader.number for reader in readers if reader.partition in shard.reorder.bounds} for shard in engine.stages[0]]
    assert numbers == [{0}, {1}, {2}]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("    partitioned_by: card\n    fields: {ts: \"timestamp[s]\", card: string}", '    fields: {ts: "timestamp[s]", card: string}',
         "logins is not partitioned_by card"),
        ('{files: "logins-*.jsonl", as: partitions}', "{files: logins-*.jsonl}",
         "the files of logins are one partition (as: partitions makes each its own)"),
        ("    partitioned_by: card\n    fields: {ts: \"timestamp[s]\", card: string, shop: int}",
         "    join: {p: {table: people, on: card}}\n    partitioned_by: card\n"
         "    fields: {ts: \"timestamp[s]\", card: string, shop: int}\n    derive: {home: p.home}",
         "it holds table people, whose partitions promise nothing"),
    ],
)  # fmt: skip
def test_why_rows_are_exchanged(old: str, new: str, reason: str, tmp_path: Path) -> None:
    """A named reason, and shards by hash as without the promise."""
    assert old in APPLICATION
    when = "n >= 2 and seen >= 0" + (" and home is null" if "home" in new else "")
    compiled = plan(written(tmp_path, APPLICATION.replace(old, new).replace("n >= 2", when)))
    assert exchange_of(compiled, compiled.stages[0]) == reason
    assert divided(compiled, file_readers(compiled), 16).counts == {}


def test_a_stage_after_another_exchanges_rows(tmp_path: Path) -> None:
    """Its rows come from shards of another key."""
    text = APPLICATION.replace("patterns:", "  busy: {count: true, of: pays, by: shop, over: 1h}\npatterns:")
    compiled = plan(written(tmp_path, text.replace("n >= 2", "n >= 2 and busy > 0")))
    reasons = [exchange_of(compiled, stage) for stage in compiled.stages]
    assert [reason for stage, reason in zip(compiled.stages, reasons, strict=True) if stage.entity == ("shop",)] != [None]
    assert divided(compiled, file_readers(compiled), 4).counts == {
        stage.index: 2 for stage, reason in zip(compiled.stages, reasons, strict=True) if reason is None
    }


def test_unequal_counts_exchange_rows(tmp_path: Path) -> None:
    """Two streams with different partition counts are not partitioned alike."""
    compiled = plan(written(tmp_path, APPLICATION.replace("n >= 2", "n >= 2 and seen >= 0"), pays=2, logins=3))
    assert exchange_of(compiled, compiled.stages[0]) is None
    assert divided(compiled, file_readers(compiled), 16).counts == {}


@pytest.mark.parametrize("promised", [True, False])
def test_no_partition_waits_for_another(promised: bool, tmp_path: Path) -> None:
    """Flags of a partition come while nothing at all is known of the other one; without the promise they wait for it."""
    application = written(tmp_path)
    if not promised:
        streams = {name: replace(stream, partitioned_by=()) for name, stream in application.streams.items()}
        application = replace(application, streams=streams)
    compiled = plan(application)
    busy, silent = [reader for reader in file_readers(compiled) if reader.source == "pays"]
    engine = Engine(compiled, [busy, silent], shards=2)
    found = engine.turn(busy, busy.read())
    assert silent.bound == BEFORE_ALL
    assert {hit.key for hit in found.hits} == ({b"c0"} if promised else set())


@pytest.mark.parametrize("apart", [True, False])
def test_reading_waits_for_a_slow_partition_only_where_they_meet(apart: bool) -> None:
    """A partition far ahead of a slow one of another number reads on where no stage brings them together."""

    class At:
        done = False

        def __init__(self, number: int, bound: int) -> None:
            self.partition = self.number = number
            self.bound = bound

    alignment = Alignment(apart=apart)
    slow, fast = At(0, 0), At(1, AHEAD + 1)
    for each in (slow, fast):
        alignment.join(each)
    alignment.count(fast, AHEAD_ROWS)
    assert alignment.may_read(slow)
    assert alignment.may_read(fast) is apart


def sampled_key() -> str:
    """A key that the check looks at."""
    return next(_sampled())


def _sampled() -> Iterator[str]:
    names = [f"k{number}" for number in range(5_000)]
    found = hashes(strings_of(names)) & np.uint64(1023)
    return (name for name, rest in zip(names, found, strict=True) if rest == 0)


def test_a_key_in_two_partitions_is_a_violation_once(tmp_path: Path) -> None:
    """Found in the sample however often it comes; others are not looked at; saved and restored."""
    application = written(tmp_path)
    card = sampled_key()
    for number in range(2):
        with (tmp_path / f"pays-{number}.jsonl").open("a") as file:
            file.write("".join(json.dumps({"ts": 20, "card": each, "shop": 1}) + "\n" for each in (card, card, "c0")))
    compiled = plan(application)
    readers = file_readers(compiled)
    engine = Engine(compiled, readers, shards=2)
    found = [violation for result in engine.run() for violation in result.violations]
    assert [str(violation) for violation in found] == [
        f"stream pays: expected one partition for card {card}, as partitioned_by promises; found it in partitions 0 and 1: its flags "
        "are wrong. Have the input written by card, or remove partitioned_by"
    ]
    again = PromiseCheck(compiled)
    again.restore(engine.check.snapshot())
    assert again.take(Sampled(0, 0, card.encode(), 1)) is None
    assert again.take(Sampled(0, 0, b"new", 1)) is None and again.take(Sampled(0, 0, b"new", 0)) is not None
