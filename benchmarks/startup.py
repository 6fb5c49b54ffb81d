"""How long one waits: check, a run to its end over a few hundred events, a hundred inline tests.

Seconds of the whole command by the wall's clock, and of the processor, since other work on the machine lengthens only the former.
"""

from __future__ import annotations

import resource
import subprocess
import tempfile
import time
from pathlib import Path

from dataflows.generate.bank import Size
from dataflows.generate.write import generate_bank, inputs_of

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "card-fraud" / "app.yaml"
PATTERN = """tocsin: 1
name: hundred
streams:
  tx:
    time: ts
    fields: {{ts: "timestamp[ms]", card: string, amount: float, country: "string?"}}
features:
  n_10m: {{count: true, by: card, over: 10m}}
  sum_10m: {{sum: amount, by: card, over: 10m}}
  countries_1h: {{distinct: country, by: card, over: 1h}}
patterns:
  velocity:
    by: card
    when: n_10m > 2 and sum_10m > 100
    tests:
{tests}
"""
TEST = """      - name: case {case}
        given:
          - {{at: 0s, card: a, amount: {amount}}}
          - {{at: 10s, card: a, amount: 50}}
          - {{at: 20s, card: a, amount: 70, ref: last}}
        expect: [{{events: [last]}}]"""


def seconds(*arguments: str, runs: int = 4) -> str:
    """The least seconds of some runs of a command."""
    wall = work = float("inf")
    for _ in range(runs):
        started, before = time.perf_counter(), _worked()
        subprocess.run([str(ROOT / "tocsin"), *arguments], check=True, capture_output=True)
        wall, work = min(wall, time.perf_counter() - started), min(work, _worked() - before)
    return f"{wall:.2f} s, {work:.2f} s of the processor"


def _worked() -> float:
    """Processor seconds of all commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> list[tuple[str, str]]:
    """All figures, with the kernels' caches as ``tocsin warm`` leaves them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tests = "\n".join(TEST.format(case=case, amount=case + 1) for case in range(100))
        (folder / "hundred.yaml").write_text(PATTERN.format(tests=tests))
        (folder / "none.yaml").write_text(f"flags: {{to: {{file: {folder / 'flags.jsonl'}}}}}\n")
        generate_bank(folder / "bank", Size(100, 200, 7), episodes=1)
        run = ["run", str(EXAMPLE), "--with", str(folder / "none.yaml")]
        run += [f"--input={source}={path}" for source, path in inputs_of(folder / "bank").items()]
        return [
            ("start: check of the example", seconds("check", str(EXAMPLE))),
            ("start: run of the example, a small file", seconds(*run)),
            ("start: 100 inline tests", seconds("test", str(folder / "hundred.yaml"))),
        ]
