"""Features over labels equal a brute-force reading: the value told before each event's moment, in any cuts, over restarts."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.planning.plan import plan
from models.application.load import load
from tests.laws.sweeps import Everything, Nothing
from tests.laws.worlds import Run, World, examples

TEXT = """tocsin: 1
name: labelled
streams:
  pays: {time: ts, id: id, lateness: 2s, fields: {id: string, ts: "timestamp[s]", shop: string, amount: int}}
  tells: {time: ts, lateness: 1s, fields: {ts: "timestamp[s]", pay: string, worth: int?}}
labels:
  worth: {of: pays, from: tells, match: {id: pay}, value: worth, default: "0", settle: 5s}
features:
  share: {ratio: worth > 1, of: pays, by: shop, over: 7s, delay: 5s}
  total: {sum: worth * amount, of: pays, by: shop, over: 9s, delay: 8s, where: amount > 1}
patterns:
  p: {on: pays, by: shop, when: share is not null or total <> 0}
"""


def _world(dice: random.Random) -> World:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "app.yaml"
        path.write_text(TEXT)
        application = load(path)
    found = World(0, application, TEXT)
    time, pays, tells = 100, [], []
    for number in range(25):
        time += dice.choice([0, 1, 1, 2, 4])
        pays.append({"id": f"p{number}", "ts": time, "shop": dice.choice("xy"), "amount": dice.choice([1, 2, 3])})
        if dice.random() < 0.7:
            told = dice.choice([-2, 0, 3, 4, 5, 6, 8, 9])
            pay = f"p{dice.choice([number, number, number - 1])}"
            tells.append({"ts": time + told, "pay": pay, "worth": dice.choice([None, 1, 2, 3])})
    tells.sort(key=lambda row: row["ts"])
    parts: list[list[bytes]] = [[], []]
    for pay in pays:
        parts[dice.random() < 0.5].append(json.dumps(pay).encode())
    found.partitions = {"pays": parts, "tells": [[json.dumps(row).encode() for row in tells]]}
    return found


def _expected(world: World) -> dict[str, tuple[Any, Any]]:
    """Each payment's features: payments of its shop in (t - over - delay, t - delay], with what was told before their moments."""
    rows = [json.loads(row) for part in world.partitions["pays"] for row in part]
    tells = [json.loads(row) for row in world.partitions["tells"][0]]

    def worth(pay: dict[str, Any], delay: int) -> int | None:
        told = [row["worth"] for row in tells if row["pay"] == pay["id"] and row["ts"] < pay["ts"] + delay]
        return told[-1] if told else 0

    def window(of: dict[str, Any], over: int, delay: int) -> list[dict[str, Any]]:
        oldest, newest = of["ts"] - over - delay, of["ts"] - delay
        return [pay for pay in rows if pay["shop"] == of["shop"] and oldest < pay["ts"] <= newest]

    found = {}
    for row in rows:
        shares = [(worth(pay, 5) or 0) > 1 for pay in window(row, 7, 5)]
        totals = [(worth(pay, 8) or 0) * pay["amount"] for pay in window(row, 9, 8) if pay["amount"] > 1]
        if shares or sum(totals):
            found[row["id"]] = (sum(shares) / len(shares) if shares else None, sum(totals))
    return found


def _found(world: World, how: Run) -> dict[str, tuple[Any, Any]]:
    flags = [json.loads(flag) for found in how.flags(world).values() for flag in found]
    return {flag["causationid"]: (flag["data"]["features"]["share"], flag["data"]["features"]["total"]) for flag in flags}


@settings(max_examples=examples(25))
@given(st.integers(0, 2**31))
def test_features_over_labels(seed: int) -> None:
    """One read, and reads of up to three rows over three shards with restarts and everything evicted."""
    found = _world(random.Random(seed))
    wanted = _expected(found)
    assert _found(found, Run(sweep=Nothing)) == wanted
    assert _found(found, Run(random.Random(seed), 3, 3, Everything, restart=0.4)) == wanted


def test_what_is_told_too_late_is_counted() -> None:
    """After the event's moment, and of an event that nobody has seen."""
    found = _world(random.Random(1))
    pays = [{"id": "p", "ts": 100, "shop": "x", "amount": 1}, {"id": "q", "ts": 120, "shop": "x", "amount": 1}]
    tells = [{"ts": 104, "pay": "p", "worth": 2}, {"ts": 112, "pay": "p", "worth": 3}, {"ts": 113, "pay": "z", "worth": 3}]
    found.partitions = {
        "pays": [[json.dumps(row).encode() for row in pays]], "tells": [[json.dumps(row).encode() for row in tells]],
    }  # fmt: skip
    counted = [_late(found, most) for most in (1, 100)]
    assert counted == [{"pays with worth after 5s": 2, "pays with worth after 8s": 2}] * 2


def _late(found: World, most: int) -> dict[str, int]:
    from dataflows.engine import Engine
    from tests.laws.worlds import memory_readers

    compiled = plan(found.application)
    readers = memory_readers(found, compiled, Run(most=most))
    engine = Engine(compiled, readers, {}, 1)
    for reader in readers:
        while not reader.done:
            engine.turn(reader, reader.read())
    return {name: machine.late for [shard] in engine.stages for name, machine in shard.labels.items()}
