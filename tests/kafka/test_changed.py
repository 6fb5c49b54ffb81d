"""``changed(f)`` without whole images: the row that a table on the same topic held before, as if the change had carried it."""

from __future__ import annotations

import json
import random
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.runtime import part
from dataflows.testing import run_tests
from models.application.errors import ApplicationErrors
from models.application.resolved.application import Application
from tests.kafka.clockwork import Logs, Saved, Work, Written, drive, loaded
from tests.kafka.parts import SECOND, Clock
from tests.laws.worlds import examples

STREAM = """streams:
  moves:
    from: {{kafka: main/moves}}
    format: debezium
    lateness: {lateness}s
    {options}
    fields: {{id: int, status: string?, note: string?, amount: "decimal(9,2)?"}}
"""
TABLE = """tables:
  accounts:
    from: {kafka: main/moves}
    format: debezium
    key: id
    lateness: 1s
    fields: {id: int, status: string?, note: string?, amount: "decimal(9,2)?"}
"""
PATTERNS = """patterns:
  status: {on: moves, by: id, when: changed(status)}
  same: {on: moves, by: id, when: not changed(status)}
  unknown: {on: moves, by: id, when: changed(status) is null}
  note: {on: moves, by: id, when: changed(note) and op = 'u'}
  amount: {on: moves, by: status, when: changed(amount)}
"""
UNAVAILABLE = "__debezium_unavailable_value"
Row = dict[str, Any]


@cache
def application(lateness: int, options: str, table: str = TABLE) -> Application:
    """Loaded once."""
    with tempfile.TemporaryDirectory() as folder:
        return loaded(Path(folder), STREAM.format(lateness=lateness, options=options or "dedup: 1h") + table + PATTERNS)


def record(op: str, before: Row | None, after: Row | None, time: int, place: int) -> bytes:
    """An envelope."""
    source = {"name": "b", "db": "b", "schema": "s", "table": "t", "lsn": place, "txId": 1, "ts_us": time}
    return json.dumps({"before": before, "after": after, "source": source, "op": op, "ts_ms": time // 1000}).encode()


def histories(dice: random.Random, clock: Clock) -> tuple[Logs, Logs]:
    """Changes of a few accounts in two partitions: with whole images, and as PostgreSQL writes them by default."""
    whole, bare = (Logs({("moves", 0): [], ("moves", 1): []}) for _ in range(2))
    rows: dict[int, Row] = {}
    for place in range(dice.randint(5, 40)):
        clock.now += dice.choice([0, 0, 0, 500_000, 3 * SECOND])
        account = dice.randrange(4)
        before = rows.get(account)
        after: Row | None = {
            "id": account, "status": dice.choice(["open", "shut", None]), "note": dice.choice(["a", "long text"]),
            "amount": dice.choice([1, 2.5, None]),
        }  # fmt: skip
        if before is not None and dice.random() < 0.2:
            after = None
        op = "c" if before is None else "d" if after is None else "u"
        seen = after
        if op == "u" and before is not None and after is not None and dice.random() < 0.4:
            after["note"] = before["note"]
            seen = {**after, "note": UNAVAILABLE}
        filler = None if op != "d" else {"id": account, "status": "", "note": "", "amount": 0}
        whole.send("moves", account % 2, record(op, before, after, clock.now, place), clock.now)
        bare.send("moves", account % 2, record(op, filler, seen, clock.now, place), clock.now)
        rows.pop(account, None)
        if after is not None:
            rows[account] = after
    return whole, bare


def flagged(written: Written) -> set[tuple[str, int, int]]:
    """Which pattern flagged which record."""
    found = set()
    for flag in map(json.loads, written.flags.values()):
        evidence = flag["data"]["evidence"][0]
        found.add((flag["data"]["pattern"]["name"], evidence["partition"], evidence["offset"]))
    return found


@settings(max_examples=examples(8))
@given(st.integers(0, 2**31), st.sampled_from([1, 3, 50]), st.sampled_from([0, 2]))
def test_the_table_knows_what_whole_images_say(seed: int, most: int, lateness: int) -> None:
    """Transactions of one moment, deletions, values that were not captured; any reads, restarts, and more lateness than the table's."""
    dice, clock = random.Random(seed), Clock()
    whole, bare = histories(dice, clock)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(part, "ROWS", most)
        told, found = Written(), drive(application(lateness, ""), bare, clock, [lambda: None] * 20, dice, 0.2)
        Work(application(lateness, "before: full", ""), whole, clock, Saved(), told, end=True).finish()
    assert flagged(found) == flagged(told)
    assert not found.late and not told.late


def test_without_a_table_it_is_unknown() -> None:
    """Nor does a table of another topic say, nor one that takes its times elsewhere."""
    dice, clock = random.Random(1), Clock()
    _, bare = histories(dice, clock)
    for table in ("", TABLE.replace("main/moves", "main/others"), TABLE.replace("key: id", "key: id\n    time: at\n").replace(
        "fields: {", "fields: {at: timestamp?, ")):  # fmt: skip
        written = Written()
        logs = Logs({**bare.entries, ("others", 0): []})
        Work(application(0, "", table), logs, clock, Saved(), written, end=True).finish()
        assert {name for name, _, _ in flagged(written)} == {"unknown"}


def test_where_cannot_ask_a_table(tmp_path: Path) -> None:
    """It is tested before any table is read, and the error says so."""
    with pytest.raises(ApplicationErrors) as found:
        loaded(tmp_path, STREAM.format(lateness=0, options="where: changed(status)") + TABLE + PATTERNS)
    assert (
        "changed(status) compares with table 'accounts' here, which where comes before: use it in a pattern, or declare before: full"
        in str(found.value)
    )


TESTS = """tests:
  - name: what changed is told by before
    given:
      - {on: moves, at: 1s, op: u, id: 1, status: shut, before: {id: 1, status: open}}
      - {on: moves, at: 2s, op: u, id: 1, status: open}
    expect:
      - {pattern: status, events: [1]}
      - {pattern: unknown, events: [2]}
"""


def test_in_tests_a_line_says_what_changed(tmp_path: Path) -> None:
    """A line feeds no table: ``before`` says it, whether images are whole or not."""
    application = loaded(tmp_path, STREAM.format(lateness=0, options="dedup: 1h") + TABLE + PATTERNS + TESTS)
    assert [result.problems for result in run_tests(application)] == [()]
