"""How long one waits: check, the first event of a run, a hundred inline tests; wall-clock seconds of the whole command."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path

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


def seconds(*arguments: str, runs: int = 3) -> float:
    """The least seconds of some runs of a command."""
    least = float("inf")
    for _ in range(runs):
        started = time.perf_counter()
        subprocess.run([str(ROOT / "tocsin"), *arguments], check=True, capture_output=True)
        least = min(least, time.perf_counter() - started)
    return least


def main() -> list[tuple[str, str]]:
    """All figures, with the kernels' caches as ``tocsin warm`` leaves them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tests = "\n".join(TEST.format(case=case, amount=case + 1) for case in range(100))
        (folder / "hundred.yaml").write_text(PATTERN.format(tests=tests))
        (folder / "none.yaml").write_text(f"flags: {{to: {{file: {folder / 'flags.jsonl'}}}}}\n")
        payment = {"tx_id": "t1", "ts": 1_700_000_000_000, "card_id": "c1", "customer_id": "k1", "terminal_id": "m1",
                   "amount": 1, "country": "DE", "status": "ok"}  # fmt: skip
        (folder / "one.jsonl").write_text(json.dumps(payment) + "\n")
        run = ["run", str(EXAMPLE), "--with", str(folder / "none.yaml")]
        run += [f"--input={source}={folder / 'one.jsonl'}" for source in _sources()]
        return [
            ("start: check of the example", f"{seconds('check', str(EXAMPLE)):.2f} s"),
            ("start: run of the example, one event", f"{seconds(*run):.2f} s"),
            ("start: 100 inline tests", f"{seconds('test', str(folder / 'hundred.yaml')):.2f} s"),
        ]


def _sources() -> list[str]:
    from models.application.load import load

    return list(load(EXAMPLE).streams)
