"""``{restart: true}`` in inline tests: everything goes on as if nothing had happened."""

from __future__ import annotations

from pathlib import Path

from dataflows.testing import run_tests
from models.application.load import load

APPLICATION = """
tocsin: 1
name: shop
streams:
  tx:
    time: ts
    lateness: 5s
    dedup: 1m
    id: id
    join: {owner: {table: owners, on: card}}
    fields: {id: string, ts: timestamp, card: string, amount: float}
tables:
  owners:
    format: debezium
    key: card
    fields: {card: string, name: string}
features:
  n: {count: true, by: card, over: 1m}
patterns:
  busy:
    by: card
    when: n >= 3 and owner.name = 'Ann'
    suppress: {debounce: 20s}
    tests:
      - name: window, table, rows held back, ids and a burst survive
        given:
          - {on: owners, at: -1h, card: c, name: Ann}
          - {restart: true}
          - {on: tx, at: 0s, card: c, id: a}
          - {on: tx, at: 1s, card: c, id: b}
          - {restart: true}
          - {on: tx, at: 2s, card: c, id: a}
          - {on: tx, at: 3s, card: c, id: c}
          - {restart: true}
          - {on: tx, at: 30s, card: d, id: d}
          - {restart: true}
          - {on: tx, at: 20s, card: c, id: late}
        expect:
          - {key: c, at: 23s, events: [7]}
        expect_late: [11]
      - name: nothing fires at a restart
        end: open
        given:
          - {on: owners, at: -1h, card: c, name: Ann}
          - {on: tx, at: 0s, card: c}
          - {on: tx, at: 1s, card: c}
          - {on: tx, at: 2s, card: c}
          - {advance: 10s}
          - {restart: true}
        expect: []
"""


def test_inline_tests_restart(tmp_path: Path) -> None:
    """Flags, late events and repeated ids are those of a run without restarts."""
    path = tmp_path / "app.yaml"
    path.write_text(APPLICATION)
    results = list(run_tests(load(path)))
    assert [result.problems for result in results] == [(), ()]
