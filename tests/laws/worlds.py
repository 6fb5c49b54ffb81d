"""Random worlds for the laws: an application and the contents of its partitions, and runs of it under any circumstances."""

from __future__ import annotations

import json
import os
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dataflows.connectors.files import Block
from dataflows.decoding.decoded import Decoded
from dataflows.decoding.json import raw_rows
from dataflows.engine import Engine, Result
from dataflows.operators.canonical import key_values
from dataflows.planning.plan import plan
from dataflows.planning.steps import Plan
from dataflows.reading.changes import ChangeJudge
from dataflows.reading.judge import Judge
from dataflows.reading.readers import FileReader, decoder_of
from dataflows.stages.eviction import ClockHand, Sweep
from dataflows.stages.items import Found
from models.application.load import load
from models.application.resolved.application import Application
from models.events.flag import FlagBuilder

STREAMS = """
tocsin: 1
name: world
version: 1
streams:
  pays:
    time: ts
    id: id
    lateness: {lateness}s
    {dedup}
    join:
      customer: {{table: customers, on: cust}}
    fields: {{id: string, ts: "timestamp[s]", card: string?, shop: int, cust: string, amount: "decimal(9,2)?", kind: string?}}
    derive:
      known: customer.tier is not null
      tier: customer.tier
      top: customer.top * 2
  logins:
    time: ts
    lateness: 2s
    fields: {{ts: "timestamp[s]", card: string, ok: bool}}
tables:
  customers:
    format: debezium
    key: cust
    lateness: 3s
    fields: {{cust: string, tier: string?, top: "decimal(9,2)?"}}
"""
FEATURES = {
    "n": "{{count: true, of: pays, by: {by}, over: {over}}}",
    "total": "{{sum: amount, of: pays, by: {by}{ttl}}}",
    "average": "{{mean: amount, of: pays, by: {by}, over: {over}, delay: {delay}}}",
    "most": "{{max: amount, of: pays, by: {by}, over: {over}, where: \"kind = 'a'\"}}",
    "least": "{{min: amount, of: pays, by: {by}, over: {over}, exclude_current: true}}",
    "kinds": "{{distinct: kind, of: pays, by: {by}, over: {over}}}",
    "before": "{{previous: amount, of: pays, by: {by}{ttl}}}",
    "fresh": "{{is_new: kind, of: pays, by: {by}, over: {over}}}",
    "gap": "{{since_last: true, of: pays, by: {by}{ttl}}}",
    "newest": "{{last: kind, of: pays, by: {by}{ttl}}}",
    "middle": "{{quantile: amount, q: 0.5, of: pays, by: {by}, over: {over}}}",
    "spread": "{{std: amount, of: pays, by: {by}, over: {over}, every: 4s}}",
    "fails": "{{count: true, of: logins, where: not ok, by: card, over: {over}}}",
    "silence": "{{since_last: true, of: logins, by: card{ttl}}}",
}
SCORES = {
    "odd": "{{zscore: amount, of: pays, by: {by}, over: {over}, min_count: 3, where: amount > 2}}",
    "odder": "{{zscore: amount, of: pays, by: {by}{ttl}, delay: {delay}, learn_below: 2}}",
}
CONDITIONS = {
    "n": "n >= 2", "total": "total > 20", "average": "amount > average", "most": "amount < most", "least": "amount <= least",
    "kinds": "kinds = 2", "before": "amount > before", "fresh": "fresh", "gap": "gap < interval '6' second",
    "newest": "newest = 'a'", "middle": "amount >= middle", "spread": "spread > 1", "fails": "fails > 0",
    "silence": "silence is not null", "odd": "odd > 0.5", "odder": "odder > 0.5",
}  # fmt: skip
FREE = ["amount > 5", "known", "amount > customer.top", "kind = 'a'", "customer.tier = 'gold'"]
KINDS = ["", "trigger: edge", "hold: 2 of 3", "hold: {over}", "clear: amount < 3", "clear: kind = 'b', on_clear: flag",
         "trigger: edge, hold: 2 of 3"]  # fmt: skip
SUPPRESS = ["", "cooldown: {over}", "debounce: {delay}", "debounce: {delay}, max_wait: {over}", "batch: {{over: {over}, max: 3}}",
            "limit: {{count: 2, over: {over}}}", "cooldown: {delay}, limit: {{count: 2, over: {over}}}"]  # fmt: skip
STEPS = [
    "sequence: [{{a: {{on: pays, when: amount > 3}}}}, {{b: {{on: pays, when: amount > last(a.amount), times: '2..'}}}}, "
    "{{c: {{on: pays, when: \"kind = 'b'\"}}}}]; within: {over}",
    "sequence: [{{a: {{on: logins, when: not ok}}}}, {{b: {{on: pays, contiguity: any, when: amount > 4}}}}]; within: {over}; "
    "on_timeout: flag; after_match: none",
    "sequence: [{{a: {{on: pays, when: \"kind = 'a'\"}}}}, {{no: {{on: logins, when: ok, not: true, repeat: 3s}}}}]; within: {over}",
    "sequence: [{{a: {{on: pays, when: amount > 2, times: 2, loop: strict}}}}, {{b: {{on: pays, contiguity: strict, when: known}}}}]; "
    "emit: ordered; within: {{gap: {over}}}",
    "sequence: [{{g: {{group: [{{a: {{on: logins}}}}, {{b: {{on: pays, when: amount >= avg(b.amount) or count(b) = 0}}}}], "
    "times: '1..', until: not ok, on: logins}}}}, {{no: {{on: pays, not: true, when: amount > 9}}}}]; within: {over}",
    "all: {{a: {{on: pays, when: amount > 5}}, b: {{on: logins, when: ok}}, no: {{on: logins, when: not ok, not: true}}}}; "
    "within: {over}; guard: a.amount < 20",
    "any: {{a: {{on: pays, when: amount > 8}}, b: {{on: logins, when: not ok}}}}",
    "on: logins; absence: {{for: {over}, after: each}}",
    "on: pays; when: amount > 3; absence: {{for: {over}}}",
]  # fmt: skip
"""Patterns of several events, by card; their keys separated by semicolons."""
LONG = 91 * 86_400
"""Seconds after which every state without a window of its own is gone."""


def examples(n: int) -> int:
    """How many examples a law is tried on: ``n``, in `make soak` forty times as many."""
    return n * (40 if os.environ.get("TOCSIN_RANDOM") else 1)


@dataclass
class World:
    """An application, and each source's partitions: rows as bytes, in order."""

    seed: int
    application: Application
    text: str
    partitions: dict[str, list[list[bytes]]] = field(default_factory=dict)


def world(seed: int, *, rows: int = 60, facts: str | None = None) -> World:
    """The world of a seed; ``facts``: its features and patterns, random ones without."""
    dice = random.Random(seed)
    text = _text(dice) if facts is None else STREAMS.format(lateness=dice.choice([0, 2, 4]), dedup="") + facts
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "app.yaml"
        path.write_text(text)
        application = load(path)
    times = _times(dice)
    partitions = {
        "customers": [_changes(dice, times, rows // 3) for _ in range(dice.randint(1, 2))],
        "pays": [_pays(dice, times, rows, part) for part in range(dice.randint(1, 3))],
        "logins": [_logins(dice, times, rows // 3) for _ in range(dice.randint(1, 2))],
    }
    return World(seed, application, text, partitions)


def to_files(found: World, folder: Path) -> Path:
    """The world as an application file over one file a partition; its flags go to ``flags.jsonl`` beside it."""
    text = found.text
    for name, partitions in found.partitions.items():
        source = f'  {name}:\n    from: {{files: "{name}-*.jsonl", as: partitions}}\n    max_dead: 100%\n'
        text = text.replace(f"  {name}:\n", source)
        for number, rows in enumerate(partitions):
            (folder / f"{name}-{number}.jsonl").write_bytes(b"".join(row + b"\n" for row in rows))
    path = folder / "app.yaml"
    path.write_text(text + "flags: {to: {file: flags.jsonl}}\n")
    return path


def _text(dice: random.Random) -> str:
    def fill(template: str) -> str:
        ttl = f", ttl: {dice.choice([8, 20, 50])}s" if dice.random() < 0.7 else ""
        over, delay = dice.choice([3, 7, 15, 40]), dice.choice([1, 2, 5])
        return template.format(by=dice.choice(["card", "card", "shop", "[card, shop]"]), over=f"{over}s", delay=f"{delay}s", ttl=ttl)

    lines = [STREAMS.format(lateness=dice.choice([0, 2, 4]), dedup=dice.choice(["", "dedup: 6s"])), "features:"]
    features = dice.sample(sorted(FEATURES), dice.randint(2, 7))
    scores = dice.sample(sorted(SCORES), dice.randint(0, 2))
    lines += [f"  {name}: {fill(FEATURES[name])}" for name in features]
    if scores:
        lines += ["scores:", *(f"  {name}: {fill(SCORES[name])}" for name in scores)]
    shared = [line for line in lines if line.startswith("  ")]
    keys = {line.split(":")[0].strip(): line.partition("by: ")[2] for line in shared}
    lines.append("patterns:")
    for number in range(dice.randint(2, 5)):
        if dice.random() < 0.35:
            lines += [f"  p{number}:", "    by: card", *(f"    {line}" for line in fill(dice.choice(STEPS)).split("; "))]
            if dice.random() < 0.5 and (suppress := fill(dice.choice(SUPPRESS))):
                lines.append(f"    suppress: {{{suppress}}}")
            continue
        by = dice.choice(["card", "shop", "[card, shop]"])
        usable = [name for name in [*features, *scores] if keys[name].startswith(by)]
        parts = [CONDITIONS[name] for name in dice.sample(usable, min(len(usable), dice.randint(0, 2)))]
        parts += dice.sample(FREE, dice.randint(0 if parts else 1, 1))
        kind, suppress = fill(dice.choice(KINDS)), fill(dice.choice(SUPPRESS))
        lines += [f"  p{number}:", "    on: pays", f"    by: {by}", f"    when: {dice.choice([' and ', ' or ']).join(parts)}"]
        lines += [f"    {part}" for part in kind.split(", ") if part]
        if "hold" not in kind and dice.random() < 0.3:
            lines.append("    guard: kind is not null")
        if suppress:
            lines.append(f"    suppress: {{{suppress}}}")
    return "\n".join(lines) + "\n"


def _times(dice: random.Random) -> list[int]:
    """Moments of the world in seconds: bursts, gaps and, now and then, a gap longer than any memory."""
    now, found = 1_700_000_000, []
    for _ in range(200):
        now += dice.choices([0, 1, 2, 5, 20, LONG], [40, 30, 15, 10, 5, 1 if dice.random() < 0.5 else 0])[0]
        found.append(now)
    return found


def _walk(dice: random.Random, times: list[int], n: int) -> Iterator[int]:
    """``n`` moments of one partition: in order but for some that come late, late enough to be refused now and then."""
    for place in sorted(dice.choices(range(len(times)), k=n)):
        yield times[place] - (dice.randint(1, 6) if dice.random() < 0.2 else 0)


def _pays(dice: random.Random, times: list[int], n: int, part: int) -> list[bytes]:
    rows: list[bytes] = []
    for number, ts in enumerate(_walk(dice, times, n)):
        row: dict[str, Any] = {"id": f"{part}.{number}" if dice.random() < 0.95 else f"{part}.0", "ts": ts}
        row |= {"card": dice.choice(["c1", "c2", "c3", f"r{number}", None]), "shop": dice.choice([1, 2, -3])}
        row |= {"cust": dice.choice(["k1", "k2", "k3"]), "amount": dice.choice([None, 1, 2.5, 4, 4, 7, 9.99, 30])}
        row["kind"] = dice.choice(["a", "b", "é", None, f"k{number}"])
        if dice.random() < 0.02:
            row["shop"] = "1"
        rows.append(json.dumps(row).encode())
    return rows


def _logins(dice: random.Random, times: list[int], n: int) -> list[bytes]:
    return [
        json.dumps({"ts": ts, "card": dice.choice(["c1", "c2", "c3"]), "ok": dice.random() < 0.5}).encode()
        for ts in _walk(dice, times, n)
    ]


def _changes(dice: random.Random, times: list[int], n: int) -> list[bytes]:
    """A leading run of snapshot rows, then changes: late ones, deletions, moved keys, and snapshots taken again."""
    leading = dice.randint(0, 3)
    records = []
    known: dict[str, dict[str, Any]] = {}
    for number, ts in enumerate(_walk(dice, times, n)):
        op = "r" if number < leading else dice.choice(["c", "u", "u", "d", "r"])
        row = {"cust": dice.choice(["k1", "k2", "k3"]), "tier": dice.choice(["gold", "tin", None]), "top": dice.choice([3, 8, None])}
        if op == "r" and number >= leading and dice.random() < 0.7:
            row = known.get(row["cust"], row)
        known[row["cust"]] = row
        before = row if op == "u" and dice.random() < 0.5 else None
        source = {"ts_us": ts * 1_000_000 + dice.choice([0, 0, 500_000]), "name": "w", "db": "d", "schema": "s", "table": "t",
                  "lsn": number, "txId": 1, "snapshot": "true" if op == "r" else "false"}  # fmt: skip
        moved = {**row, "cust": dice.choice(["k1", "k2", "k3"])} if op == "d" and dice.random() < 0.5 else None
        after = None if op == "d" else row
        record = {"before": before if op != "d" else row, "after": after, "source": source, "op": op, "ts_ms": ts * 1000}
        records.append(json.dumps(record).encode())
        if moved is not None:
            # A primary key that changes is a deletion and an insertion.
            records.append(json.dumps({**record, "before": None, "after": moved, "op": "c"}).encode())
    return records


@dataclass
class Run:
    """How to run a world: batch sizes, order of partitions, shards, eviction, and where to restart from saved state."""

    dice: random.Random = field(default_factory=lambda: random.Random(0))
    most: int = 1 << 30
    shards: int = 1
    sweep: Callable[[], Sweep] = ClockHand
    restart: float = 0.0
    begin: dict[str, list[int]] = field(default_factory=dict)
    """Where the partitions of a source begin, its first rows but for these."""
    settling: dict[str, tuple[int, int]] | None = None
    largest: int = 0
    """The most slots that any shard had."""
    strings: int = 0
    """The most strings that any value of a window had numbers for."""
    suppressed: dict[str, int] = field(default_factory=dict)
    """How many hits each pattern held back or merged, in all."""

    def flags(self, world: World) -> dict[tuple[str, str], list[bytes]]:
        """Flags by (pattern, key) in the order in which they were raised, as bytes, without ``recordedtime``."""
        builders = {name: FlagBuilder(world.application, pattern) for name, pattern in world.application.patterns.items()}
        found: dict[tuple[str, str], list[bytes]] = {}
        for result in self.results(world, plan(world.application)):
            for hit in result.hits:
                flag = flag_of(builders, hit)
                found.setdefault((hit.pattern.name, flag["partitionkey"]), []).append(json.dumps(flag, default=str).encode())
        return found

    def results(self, world: World, compiled: Plan) -> Iterator[Result]:
        """What every read gives."""
        readers = memory_readers(world, compiled, self)
        engine = Engine(compiled, readers, {}, self.shards, self.sweep, self.settling)
        while open_ := [reader for reader in readers if not reader.done]:
            reader = self.dice.choice(open_)
            yield engine.turn(reader, reader.read())
            self._look(engine)
            if self.dice.random() < self.restart:
                engine = self._restarted(engine, readers)

    def _look(self, engine: Engine) -> None:
        shards = [shard for stage in engine.stages for shard in stage]
        names = sorted({name for shard in shards for name in shard.machines})
        self.suppressed = {name: sum(s.machines[name].suppressed for s in shards if name in s.machines) for name in names}
        for shard in shards:
            self.largest = max(self.largest, shard.keys.used)
            interners = [i for w in shard.windows.values() for _, log in w.logs for i in log.interners.values()]
            self.strings = max([self.strings, *(len(interner) for interner in interners)])

    def _restarted(self, engine: Engine, readers: Sequence[FileReader]) -> Engine:
        saved = engine.snapshot()
        assert_plain(saved)
        for reader in readers:
            state = reader.judge.snapshot()
            assert_plain(state)
            reader.judge = judge_of(engine.plan.application, reader.source, reader.judge.source, reader.partition)
            reader.judge.restore(state)
        fresh = Engine(engine.plan, readers, {}, self.shards, self.sweep, self.settling)
        fresh.restore(saved)
        return fresh


def flag_of(builders: dict[str, FlagBuilder], found: Found) -> dict[str, Any]:
    """A hit as a flag without its wall-clock time."""
    builder = builders[found.pattern.name]
    key = key_values(found.key, [builder.types[name] for name in found.pattern.by.fields])
    flag = builder.build(found.hit, key, "")
    del flag["recordedtime"]
    return flag


def memory_readers(world: World, compiled: Plan, how: Run) -> list[FileReader]:
    """A reader of each partition, its rows cut at random into reads of at most ``how.most`` rows."""
    readers: list[FileReader] = []
    for place, name in enumerate(compiled.sources):
        for number, rows in enumerate(world.partitions[name]):
            judge = judge_of(world.application, name, place, len(readers))
            blocks = _blocks(world.application, name, number, rows, compiled.wanted[name], judge, how)
            readers.append(FileReader(name, len(readers), number, judge, blocks))
    return readers


def judge_of(application: Application, name: str, place: int, partition: int) -> Judge | ChangeJudge:
    """A new judge of a partition; any share of its rows may be dead."""
    if name in application.streams:
        return Judge(application.streams[name], place, partition, 1.0)
    return ChangeJudge(application.tables[name], place, partition, 1.0)


def _blocks(
    application: Application, name: str, number: int, rows: list[bytes], wanted: frozenset[str], judge: Any, how: Run
) -> Iterator[tuple[Block, Decoded]]:
    source: Any = application.streams.get(name) or application.tables[name]
    decoder = decoder_of(source, wanted, judge.first if isinstance(judge, Judge) else frozenset())
    at = how.begin.get(name, [0] * (number + 1))[number]
    while at < len(rows):
        stop = min(len(rows), at + how.dice.randint(1, how.most))
        raw = raw_rows(rows[at:stop])
        raw = type(raw)(raw.data, raw.start, raw.stop, np.arange(at, stop))
        yield Block(raw, f"{name}{number}", at, 0), decoder.decode(raw)
        at = stop


def assert_plain(state: Any, where: str = "state") -> None:
    """Saved state holds arrays of numbers and plain values, nothing else."""
    if isinstance(state, dict):
        for name, value in state.items():
            assert isinstance(name, str | int | tuple), where
            assert_plain(value, f"{where}.{name}")
    elif isinstance(state, list | tuple):
        for value in state:
            assert_plain(value, f"{where}[]")
    elif isinstance(state, np.ndarray):
        assert state.dtype != object, where
    else:
        assert state is None or type(state) in (str, int, float, bool, bytes), f"{where}: {type(state)}"
