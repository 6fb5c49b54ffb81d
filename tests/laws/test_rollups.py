"""Laws 1, 5 and 8 for rollups: rows on every edge of every window, with ties and derived events, equal the interpreter."""

from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.stages.eviction import ClockHand
from tests.laws.sweeps import Anything, Everything, Nothing
from tests.laws.test_edges import STREAMS, UNIT, _loaded, engine, reference
from tests.laws.worlds import Run, World, examples

SEEDS = st.integers(0, 2**31)
SELECT = ["n: {count: true}", "total: {sum: amount}", "most: {max: amount}", "least: {min: amount}", "kinds: {distinct: amount}",
          "oldest: {first: amount}", "newest: {last: amount}", "big: {count: true, where: amount > 1}"]  # fmt: skip
FEATURES = ["  rows: {count: true, of: r0, by: card, over: 7ms}", "  sums: {sum: n, of: r0, by: card, over: 5ms}",
            "  seen: {count: true, of: pays, by: card, over: 4ms}"]  # fmt: skip


def rolled(seed: int, rows: int = 20) -> World:
    """A world of rollups, of rollups and flags too, and of patterns on them; its events lie on edges."""
    dice = random.Random(seed)
    text = _text(dice)
    found = World(seed, _loaded(text), text)
    for stream, most in (("pays", 2), ("logins", 1)):
        found.partitions[stream] = [_lines(dice, stream, part, rows) for part in range(dice.randint(1, most))]
    return found


def _text(dice: random.Random) -> str:
    lines = ["rollups:"]
    for number in range(dice.randint(1, 3)):
        of = dice.choice(["pays", "pays", "logins", *(["r0", "p0"] if number else [])]) if number else "pays"
        by = "card" if not number or of in ("logins", "r0") else dice.choice(["card", "shop", "[card, shop]"])
        lines.append(f"  r{number}: {{of: {of}, by: {by}, {_window(dice)}, select: {{{_select(dice, of)}}}}}")
    lines += ["features:", *FEATURES, "patterns:"]
    lines.append("  p0: {on: pays, by: card, when: amount > 1, suppress: {cooldown: 2ms}}")
    count = sum(line.startswith("  r") and "window" in line for line in lines)
    for number in range(1, 4):
        on = f"r{dice.randrange(count)}"
        by = next(line for line in lines if line.startswith(f"  {on}: ")).partition("by: ")[2].partition(", window")[0]
        more = ["", "hold: 2ms, ", "hold: 2 of 3, ", "trigger: edge, ", "suppress: {debounce: 3ms}, ", "suppress: {cooldown: 4ms}, "]
        when = dice.choice(["n >= 0", "n > 1", "n = 0 or n > 1"]) + dice.choice([" and rows > 0", ""] if "card" in by else [""])
        title = "{n} {x}" + (" {rows} {sums} {seen}" if "card" in by else "")
        lines.append(f'  p{number}: {{on: {on}, by: {by}, {dice.choice(more)}when: "{when}", title: "{title}"}}')
    lines.append('  q: {on: logins, by: card, when: "rows >= 0", title: "{rows} {sums}"}')
    return STREAMS + "\n".join(lines) + "\n"


def _window(dice: random.Random) -> str:
    fill = dice.choice(["", "", f", fill: {dice.randint(1, 9)}ms"])
    size = dice.randint(1, 5)
    return dice.choice([
        f"window: {{tumbling: {size}ms}}{fill}",
        f"window: {{hopping: [{size}ms, {dice.randint(1, size)}ms]}}{fill}",
        f"window: {{session: {size}ms}}",
    ])  # fmt: skip


def _select(dice: random.Random, of: str) -> str:
    x = dice.choice(SELECT[1:]).partition(": ")[2]
    return f"n: {{count: true}}, x: {x.replace('amount', 'n') if of == 'r0' else x}"


def _lines(dice: random.Random, stream: str, part: int, rows: int) -> list[bytes]:
    now, found = 1_700_000_000_000_000, []
    moments = []
    for _ in range(rows):
        now += UNIT * dice.choice([0, 0, 1, 1, 2, 3, 5, 12])
        moments.append(now + dice.choice([-1, 0, 0, 0, 1]))
    for number, ts in enumerate(sorted(moments)):
        row: dict[str, Any] = {"id": f"{stream}{part}.{number}", "ts": ts, "card": dice.choice("ab"),
                               "amount": dice.choice([None, 1, 2, 3])}  # fmt: skip
        if stream == "pays":
            row["shop"] = dice.choice(["s", "t", None])
        found.append(json.dumps(row).encode())
    return found


RUNS = st.sampled_from([(1, 1, Everything, 0.0), (3, 3, Nothing, 0.3), (1 << 30, 1, ClockHand, 0.0), (5, 16, Anything, 0.3)])


@settings(max_examples=examples(60))
@given(SEEDS, RUNS)
def test_rollups_equal_the_interpreter(seed: int, how: tuple[int, int, Any, float]) -> None:
    """Tumbling, hopping and session windows with and without fill, whatever the cuts, shards, evictions and restarts."""
    world = rolled(seed)
    most, shards, sweep, restart = how
    assert engine(world, Run(random.Random(seed), most, shards, sweep, restart=restart)) == reference(world), world.text
