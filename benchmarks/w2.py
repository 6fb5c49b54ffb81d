"""W2: sequences and absence by card, from file to written flags, beside a plain Python loop in the same run.

(a) at least three small payments directly followed by a large one within 10 m; (b) an order with no payment within 15 m; (c) a
dense case: half of all events are candidates of a relaxed loop whose steps look back at earlier events.
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from dataflows.running import Job, run_here
from models.application.load import load

MINUTE = 60_000
Flags = dict[str, dict[str, list[str]]]
"""The ids of each step's events, by that of the event that completed them."""
STREAM = """tocsin: 1
name: w2
streams:
  events:
    from: {file: w2.jsonl}
    time: ts
    id: id
    %s
    fields: {id: string, card: string, kind: string, amount: float, ts: "timestamp[ms]"}
patterns:
  p:
    by: card
    sequence:
%s
flags:
  to: {file: flags.jsonl}
"""
APPLICATIONS = {
    "a": STREAM % ("where: kind = 'p'", """
      - small: {when: amount < 5, times: "3..", loop: strict}
      - large: {when: amount > 200, contiguity: strict}
    within: 10m"""),
    "b": STREAM % ("where: kind <> 'v'", """
      - ordered: {when: kind = 'o'}
      - paid: {when: kind = 'p', not: true}
    within: 15m"""),
    "c": STREAM % ("where: kind <> 'x'", """
      - first: {when: amount < 60}
      - more: {when: "amount between 20 and 250 and amount > coalesce(last(more.amount), first.amount)", times: "2..", gap: 5m}
      - peak: {when: "amount > 250 and amount > 4 * avg(more.amount)"}
    within: 10m"""),
}  # fmt: skip


def events(path: Path, n: int, cards: int = 100_000) -> None:
    """Write n events of about 80 bytes, two milliseconds apart; few orders stay unpaid, since a card's events come in bursts."""
    random = np.random.default_rng(0)
    bursts = np.concatenate([random.permutation(cards), random.integers(0, cards, n // 8)])[: n // 8]
    card = np.resize(bursts.repeat(8), n)
    order = np.argsort(np.arange(n) + random.integers(0, 50_000, n), kind="stable")
    card = card[order]
    kind = random.choice(list("pppppppppppppppppvvo"), n)
    cents = np.minimum(random.exponential(8_000, n).astype(np.int64), 99_999)
    cents = np.where(random.random(n) < 0.25, cents % 500, cents)
    with path.open("w", encoding="ascii") as file:
        for i, (c, k, a) in enumerate(zip(card.tolist(), kind.tolist(), cents.tolist(), strict=True)):
            file.write(
                f'{{"id":"e{i:07d}","card":"c{c:06d}","kind":"{k}","amount":{a // 100}.{a % 100:02d},'
                f'"ts":{1_700_000_000_000 + i * 2}}}\n'
            )


def loop_a(path: Path) -> Flags:
    """(a) in plain Python: a card's unbroken small payments; those within ten minutes are the flag's events."""
    small: dict[str, deque[tuple[int, str]]] = defaultdict(deque)
    found = {}
    with path.open("rb") as file:
        for line in file:
            event = orjson.loads(line)
            if event["kind"] != "p":
                continue
            queue, amount = small[event["card"]], event["amount"]
            if amount < 5:
                queue.append((event["ts"], event["id"]))
                continue
            if amount > 200 and len(queue) >= 3:
                since = event["ts"] - 10 * MINUTE
                while queue and queue[0][0] <= since:
                    queue.popleft()
                if len(queue) >= 3:
                    found[event["id"]] = {"small": [id_ for _, id_ in queue], "large": [event["id"]]}
            queue.clear()
    return found


def loop_b(path: Path) -> Flags:
    """(b) in plain Python: open orders by card, and a queue of their deadlines."""
    open_: dict[str, list[str]] = defaultdict(list)
    alive: set[str] = set()
    queue: deque[tuple[int, str]] = deque()
    found = {}
    with path.open("rb") as file:
        for line in file:
            event = orjson.loads(line)
            now = event["ts"]
            while queue and queue[0][0] <= now:
                due = queue.popleft()[1]
                if due in alive:
                    alive.discard(due)
                    found[due] = {"ordered": [due]}
            if event["kind"] == "o":
                open_[event["card"]].append(event["id"])
                alive.add(event["id"])
                queue.append((now + 15 * MINUTE, event["id"]))
            elif event["kind"] == "p":
                for each in open_.pop(event["card"], ()):
                    alive.discard(each)
    return found | {due: {"ordered": [due]} for due in alive}


def main(n: int = 1_000_000) -> list[tuple[str, str]]:
    """Measure, check that the flags are the loop's, and give (what, figure) rows."""
    rows: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w2.jsonl"
        events(path, n)
        loops: dict[str, Callable[[Path], Flags]] = {"a": loop_a, "b": loop_b}
        for name, text in APPLICATIONS.items():
            (Path(folder) / f"{name}.yaml").write_text(text)
            application = load(Path(folder) / f"{name}.yaml")
            taken, found = _best(lambda application=application: run_here(Job(application, 16, lambda: "")), 3)
            flags = [orjson.loads(line) for line in (Path(folder) / "flags.jsonl").read_bytes().splitlines()]
            rows.append((f"W2{name} Tocsin, file to flags", f"{n / taken / 1e6:.2f} M events/s"))
            rows.append((f"W2{name} flags", f"{len(flags)}"))
            if name in loops:
                slow, wanted = _best(lambda name=name: loops[name](path), 2)
                assert {flag["causationid"]: flag["data"]["steps"] for flag in flags} == wanted, "the flags are not the loop's"
                rows.append((f"W2{name} plain Python loop", f"{n / slow / 1e6:.2f} M events/s"))
                rows.append((f"W2{name} Tocsin / loop", f"{slow / taken:.2f} x"))
    return rows


def _best(work: Callable[[], Any], times: int) -> tuple[float, Any]:
    runs = []
    for _ in range(times):
        started = time.process_time()
        found = work()
        runs.append(time.process_time() - started)
    return min(runs), found
