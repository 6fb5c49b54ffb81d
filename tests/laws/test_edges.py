"""Laws 7 and 8: events on every edge, ties and derived events equal the interpreter; ids tell flags apart."""

from __future__ import annotations

import json
import random
import re
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.planning.plan import plan
from dataflows.stages.eviction import ClockHand
from models.application.load import load
from models.application.resolved.application import Application
from models.events.flag import FlagBuilder
from tests.laws.interpreter import TTL, Event, Interpreter
from tests.laws.sweeps import Everything, Nothing
from tests.laws.worlds import Run, World, examples, flag_of

SEEDS = st.integers(0, 2**31)
STREAMS = """
tocsin: 1
name: edges
streams:
  pays:
    time: ts
    id: id
    fields: {id: string, ts: "timestamp[us]", card: string, shop: string?, amount: int?}
    derive: {double: amount * 2}
  logins:
    time: ts
    id: id
    fields: {id: string, ts: "timestamp[us]", card: string, amount: int?}
"""
FEATURES = {
    "n": "{{count: true, of: pays, by: card, over: {d}{more}}}",
    "total": "{{sum: amount, of: pays, by: card, over: {d}{more}}}",
    "fails": "{{count: true, of: logins, where: amount > 1, by: card, over: {d}, delay: {d}}}",
    "shops": "{{distinct: shop, of: pays, by: card, over: {d}}}",
    "best": "{{max: amount, of: pays, by: shop, over: {d}}}",
}
SUPPRESS = ["", "", "cooldown: {d}", "debounce: {d}", "debounce: {d}, max_wait: {d}", "batch: {{over: {d}, max: 3}}",
            "batch: {{over: {d}}}", "limit: {{count: 2, over: {d}}}", "cooldown: {d}, limit: {{count: 2, over: {d}}}",
            "debounce: {d}, limit: {{count: 1, over: {d}}}"]  # fmt: skip
KINDS = ["", "", "trigger: edge", "hold: 2 of 3", "hold: {d}", "hold: {d}", "clear: amount < 2", "clear: amount < 2; on_clear: flag",
         "trigger: edge; hold: 2 of 4", "hold: {d}; clear: amount < 2; on_clear: flag", "hold: 2 of 3; clear: amount < 2"]  # fmt: skip
UNIT = 1000
"""Microseconds: all durations are a few of them, and all events lie a microsecond before, at or after a multiple."""


def edges(seed: int, rows: int = 24) -> World:
    """A world whose events lie on edges."""
    dice = random.Random(seed)
    text = _text(dice)
    found = World(seed, _loaded(text), text)
    number = 0
    for stream, most in (("pays", 2), ("logins", 1)):
        found.partitions[stream] = []
        for _ in range(dice.randint(1, most)):
            lines = []
            for ts in _times(dice, rows):
                row: dict[str, Any] = {"id": f"e{number}", "ts": ts, "card": dice.choice("ab"), "amount": dice.choice([None, 1, 2, 3])}
                if stream == "pays":
                    row["shop"] = dice.choice(["s", "t", None])
                number += 1
                lines.append(json.dumps(row).encode())
            found.partitions[stream].append(lines)
    return found


def _loaded(text: str) -> Application:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "app.yaml"
        path.write_text(text)
        return load(path)


def _text(dice: random.Random) -> str:
    def fill(template: str) -> str:
        more = dice.choice(["", f", delay: {dice.randint(1, 3)}ms", ", exclude_current: true"])
        while "{d}" in template:
            template = template.replace("{d}", f"{dice.randint(1, 4)}ms", 1)
        return template.format(more=more)

    names = dice.sample(sorted(FEATURES), 3)
    lines = ["features:", *(f"  {name}: {fill(FEATURES[name])}" for name in names)]
    flags = dice.random() < 0.5
    if flags:
        lines.append(fill("  raised: {{count: true, of: p0, by: card, over: {d}}}"))
    lines.append("patterns:")
    count = dice.randint(2, 4)
    for number in range(count):
        on = dice.choice(["pays", "pays", "logins", *(f"p{n}" for n in range(number))]) if number else "pays"
        base = _base(lines, on)
        by = dice.choice(["card", "shop", "[card, shop]"]) if base == "pays" else "card"
        conditions = ["amount > 1", "amount >= 1", "amount is not null"] + [f"{name} >= 2" for name in names if "best" not in name]
        if "best" in names and base == "pays":
            conditions.append("best = 3")
        if flags and number and on != "p0" and base != "p0" and not _stands_on(lines, on):
            conditions.append("raised > 0")
        if on.startswith("p") and on != "pays":
            conditions += ["flag.severity = 'high'", "flag.kind = 'match'", "flag.kind = 'cleared'"]
        when = dice.choice([" and ", " or "]).join(dice.sample(conditions, dice.randint(1, 2)))
        lines += [f"  p{number}:", f"    on: {on}", f"    by: {by}", f"    when: {when}"]
        lines += [f"    {part}" for part in fill(dice.choice(KINDS)).split("; ") if part]
        shown = dice.choice([name for name in names if name != "best"])
        lines += [f'    title: "{{{shown}}} {{amount}}"', "    severity: {high: amount > 2, low: true}"]
        if dice.random() < 0.3:
            lines.append(f"    guard: {dice.choice(['amount > 1', f'{shown} >= 1'])}")
        if suppress := fill(dice.choice(SUPPRESS)):
            if dice.random() < 0.3:
                suppress += f", per: {dice.choice(['amount', 'card'] + ['shop'] * (base == 'pays'))}"
            lines.append(f"    suppress: {{{suppress}}}")
    return STREAMS + "\n".join(lines) + "\n"


def _base(lines: list[str], on: str) -> str:
    """The stream of events below a pattern."""
    while f"  {on}:" in lines:
        on = lines[lines.index(f"  {on}:") + 1].removeprefix("    on: ")
    return on


def _stands_on(lines: list[str], on: str) -> bool:
    return on.startswith("p") and on != "pays"


def _times(dice: random.Random, rows: int) -> list[int]:
    now, found = 1_700_000_000_000_000, []
    for _ in range(rows):
        now += UNIT * dice.choice([0, 0, 1, 1, 2, 3, 5])
        if dice.random() < 0.03:
            now += TTL
        found.append(now + dice.choice([-1, 0, 0, 0, 1]))
    return sorted(found)


def events(world: World) -> list[Event]:
    """All rows as events, in no order."""
    found, partition = [], 0
    for stream in world.application.streams.values():
        for lines in world.partitions[stream.name]:
            for offset, line in enumerate(lines):
                row = json.loads(line)
                found.append(Event(stream.name, row["id"], row["ts"], (row["ts"], partition, offset), dict(row)))
            partition += 1
    return found


def engine(world: World, run: Run) -> dict[tuple[str, str], list[Any]]:
    """What the engine raises, by pattern and key."""
    builders = {name: FlagBuilder(world.application, pattern) for name, pattern in world.application.patterns.items()}
    found: dict[tuple[str, str], list[Any]] = {}
    for result in run.results(world, plan(world.application)):
        for each in result.hits:
            flag, hit = flag_of(builders, each), each.hit
            ids = [event["id"] for event in flag["data"]["evidence"]]
            shown = (hit.kind, hit.moment, flag["id"], ids, hit.suppressed, flag["data"]["pattern"]["title"], flag["severity"],
                     flag["dedupkey"], hit.evidence_count)  # fmt: skip
            found.setdefault((each.pattern.name, flag["partitionkey"]), []).append(shown)
    return _ordered(world, found)


def reference(world: World) -> dict[tuple[str, str], list[Any]]:
    """What the interpreter raises, by pattern and key."""
    interpreter = Interpreter(world.application)
    found: dict[tuple[str, str], list[Any]] = {}
    for flag in interpreter.run(events(world)):
        pattern = world.application.patterns[flag.pattern]
        kept = pattern.suppress.batch_max if pattern.suppress.batch_over and pattern.suppress.batch_max else 20
        kind, anchor, deadline = flag.episode
        first = type(flag)(flag.pattern, kind, flag.key, 0, anchor, deadline, [], (), {})
        shown = (flag.kind, flag.moment, interpreter.id_of(flag), [event.id for event in flag.events][-kept:], flag.suppressed,
                 interpreter.title(flag), interpreter.severity(pattern, flag), interpreter.id_of(first), len(flag.events))  # fmt: skip
        found.setdefault((flag.pattern, interpreter.key_text(flag)), []).append(shown)
    return _ordered(world, found)


def _ordered(world: World, found: dict[tuple[str, str], list[Any]]) -> dict[tuple[str, str], list[Any]]:
    """Flags that are suppressed by another key come from that key's shards, so their order is that of the output: by time and id."""
    per = {name for name, pattern in world.application.patterns.items() if pattern.suppress.per}
    return {key: sorted(flags, key=lambda flag: flag[1:3]) if key[0] in per else flags for key, flags in found.items()}


RUNS = st.sampled_from([(1, 1, Everything, 0.0), (3, 3, Nothing, 0.3), (1 << 30, 1, ClockHand, 0.0), (5, 16, Everything, 0.3)])


@settings(max_examples=examples(60))
@given(SEEDS, RUNS)
def test_edges_equal_the_interpreter(seed: int, how: tuple[int, int, Any, float]) -> None:
    """Every trigger, hold, clear, suppression and derived stream, an instant before, at and after each edge."""
    world = edges(seed)
    most, shards, sweep, restart = how
    assert engine(world, Run(random.Random(seed), most, shards, sweep, restart=restart)) == reference(world), world.text


@settings(max_examples=examples(40))
@given(SEEDS)
def test_ids_tell_flags_apart(seed: int) -> None:
    """Flags that differ in kind, events or deadline have different ids, whatever the pattern."""
    world = edges(seed)
    seen: dict[str, Any] = {}
    interpreter = Interpreter(world.application)
    for flag in interpreter.run(events(world)):
        what = (flag.pattern, flag.key, *flag.own)
        assert seen.setdefault(interpreter.id_of(flag), what) == what
    assert len(seen) == len(set(map(str, seen.values())))


@settings(max_examples=examples(10))
@given(SEEDS)
def test_ids_do_not_move_with_what_a_flag_shows(seed: int) -> None:
    """Another title and less evidence: the same ids in the same order."""
    world = edges(seed)
    text = re.sub(r"    title: .*", "    title: other\n    evidence: {last: 1}", world.text)
    other = World(seed, _loaded(text), text, world.partitions)
    found = [{key: [flag[2] for flag in flags] for key, flags in engine(each, Run()).items()} for each in (world, other)]
    assert found[0] == found[1]
