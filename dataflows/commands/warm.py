"""``tocsin warm``: compiles the kernels once, so that runs start at once."""

from __future__ import annotations

import tempfile
from pathlib import Path

import typer

_EVERY = """tocsin: 1
name: every-aggregate
streams:
  tx:
    time: ts
    fields: {ts: "timestamp[ms]", key: string, text: "string?", x: "float?", y: "int?", d: "decimal(12,2)", flag: bool}
features:
  n: {count: true, by: key, over: 1h}
  total: {sum: x, by: key, over: 1h, where: flag}
  average: {mean: y, by: key, over: 1h}
  spent: {sum: d, by: key}
  least: {min: x, by: key, over: 1h}
  most: {max: y, by: key, over: 1h}
  spread: {std: x, by: key, over: 1h}
  texts: {distinct: text, by: key, over: 1h}
  unseen: {is_new: y, by: key, over: 1h}
  oldest: {first: x, by: key, over: 1h}
  middle: {quantile: x, by: key, over: 1h}
  earlier: {previous: text, by: key}
  pause: {since_last: true, by: key}
  share: {ratio: flag, by: key, over: 1h}
  hours: {count: true, of: hourly, by: key, over: 1d}
  slides: {count: true, of: sliding, by: key, over: 1d}
  calls: {count: true, of: visits, by: key, over: 1d}
  days: {count: true, of: daily, by: key, over: 7d}
rollups:
  hourly: {of: tx, by: key, window: {tumbling: 1h}, select: {rows: {count: true}, sum_x: {sum: x}}, fill: 2h}
  sliding: {of: tx, by: key, window: {hopping: [10m, 5m]}, select: {rows: {count: true}}}
  visits: {of: tx, by: key, window: {session: 5m}, select: {rows: {count: true}}}
  daily: {of: tx, by: key, window: {tumbling: 1d}, tz: Europe/Berlin, select: {rows: {count: true}}}
scores:
  strange: {zscore: x, by: key, over: 1h}
patterns:
  restarted:
    by: key
    when: n + texts + hours + calls > 100
    tests:
      - name: all is saved and restored
        given:
          - {at: 0s, key: a, text: b, x: 1, y: 1, d: 1, flag: true}
          - {restart: true}
          - {at: 2h, key: a, text: b, x: 1, y: 1, d: 1, flag: true}
        expect: []
"""
"""An application that needs every kernel of features and rollups."""
_STEPS = """tocsin: 1
name: every-machine
streams:
  tx:
    time: ts
    fields: {ts: "timestamp[ms]", key: string, x: "float?", d: "decimal(12,2)", flag: bool}
patterns:
  rising:
    by: key
    sequence:
      - a: {when: flag}
      - b: {when: "x > last(a.x) and d < sum(b.d) + 5", times: "2.."}
      - c: {when: x > avg(b.x)}
    within: 1h
  open:
    by: key
    sequence: [{a: {when: flag}}, {b: {when: d > 5, not: true}}]
    within: 1m
    tests:
      - name: all is saved and restored
        given: [{at: 0s, key: a, x: 1, d: 1, flag: true}, {restart: true}]
        expect: [{events: ["1"]}]
  silent: {by: key, when: flag, absence: {for: 1m, after: each}}
"""
"""An application that needs every kernel of sequences."""


def warm() -> None:
    """Compile and cache all kernels by running the example over a tiny bank."""
    from dataflows.commands.demo import APPLICATION
    from dataflows.generate.bank import Size
    from dataflows.generate.write import generate_bank, inputs_of
    from dataflows.running import Job, run_here
    from dataflows.testing import run_tests
    from models.application.load import load

    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        generate_bank(data, Size(100, 200, 7), episodes=1)
        overlay = data / "out.yaml"
        overlay.write_text(f"flags: {{to: {{file: {data / 'flags.jsonl'}}}}}\n")
        run_here(Job(load(APPLICATION, overlays=[overlay], inputs=inputs_of(data)), 16, lambda: ""))
        _features(data)
        _steps(data)
        tested = (APPLICATION, data / "every.yaml", data / "steps.yaml")  # the latter two for what restoring a state needs
        passed = sum(result.ok for path in tested for result in run_tests(load(path)))
    typer.echo(f"kernels are compiled ({passed} inline tests passed)")


def _features(folder: Path) -> None:
    """Every aggregate over enough keys and values that tables and logs have to grow."""
    from dataflows.featuring import featured
    from models.application.load import load

    rows = (
        f'{{"ts":{row * 1000},"key":"k{row * row % 1777}","text":"t{row % 7}","x":{(0.1, 1e16, -1e16, 2.5)[row % 4]},"y":{row},'
        f'"d":{row}.25,"flag":{"true" if row % 3 else "false"}}}\n'
        for row in range(6000)
    )
    (folder / "every.jsonl").write_text("".join(rows))
    (folder / "every.yaml").write_text(_EVERY)
    featured(load(folder / "every.yaml", inputs={"tx": str(folder / "every.jsonl")}), "tx")


def _steps(folder: Path) -> None:
    """Sequences and absence over enough attempts that their arrays have to grow and to be swept."""
    from dataflows.running import Job, run_here
    from models.application.load import load

    rows = (
        f'{{"ts":{row * 100},"key":"k{row * row % 777}","x":{row % 13}.5,"d":{row % 9}.25,'
        f'"flag":{"true" if row % 3 else "false"}}}\n'
        for row in range(20_000)
    )
    (folder / "steps.jsonl").write_text("".join(rows))
    (folder / "steps.yaml").write_text(_STEPS + f"flags: {{to: {{file: {folder / 'steps-flags.jsonl'}}}}}\n")
    run_here(Job(load(folder / "steps.yaml", inputs={"tx": str(folder / "steps.jsonl")}), 2, lambda: ""))
