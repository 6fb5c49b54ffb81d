"""Law 1 for what patterns raise: patterns on patterns, suppression by another key and storms, through the runtime."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from dataflows.connectors import files
from dataflows.running import Job, run_here
from models.application.load import load

APPLICATION = """
tocsin: 1
name: raised
storm: {max: 6, per: 1m}
streams:
  tx:
    from: {file: tx.jsonl}
    format: json
    time: ts
    id: id
    fields: {id: string, ts: "timestamp[ms]", card: string, shop: string, amount: int}
features:
  n: {count: true, of: tx, by: card, over: 10s}
  bigs: {count: true, of: big, by: shop, over: 1m}
patterns:
  big: {on: tx, by: card, when: "amount > 7 and n >= 1", mode: part}
  held: {on: tx, by: card, when: amount > 3, hold: 3s, title: "{n}", suppress: {debounce: 2s, per: shop}}
  shops: {on: big, by: shop, when: bigs >= 3, title: "{bigs} {n}", suppress: {cooldown: 5s}}
  chained: {on: held, by: shop, when: bigs >= 1, title: "{bigs}"}
flags: {to: {file: out.jsonl}, late: {file: late.jsonl}}
"""


def flags(folder: Path, shards: int) -> list[list[dict[str, Any]]]:
    """Flags and what was held back, in the order of their files."""
    run_here(Job(load(folder / "app.yaml"), shards, lambda: "now"))
    return [[json.loads(line) for line in (folder / name).read_text().splitlines()] for name in ("out.jsonl", "late.jsonl")]


@pytest.mark.parametrize(("shards", "block"), [(16, 8 << 20), (5, 3000)])
def test_what_is_raised_depends_on_neither_shards_nor_blocks(
    tmp_path: Path, shards: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flags of four patterns in four stages, whole and by id."""
    dice, now = random.Random(1), 1_700_000_000_000
    lines = []
    for number in range(600):
        now += dice.choice([0, 0, 100, 500, 1000])
        row = {"id": f"e{number}", "ts": now, "card": dice.choice("abcd"), "shop": dice.choice("xyz"), "amount": dice.randint(1, 10)}
        lines.append(json.dumps(row))
    (tmp_path / "tx.jsonl").write_text("\n".join(lines) + "\n")
    (tmp_path / "app.yaml").write_text(APPLICATION)
    whole = flags(tmp_path, 1)
    assert all(whole)
    assert {flag["latereason"] for flag in whole[1]} == {"storm"}
    monkeypatch.setattr(files, "BLOCK", block)
    assert flags(tmp_path, shards) == whole
