"""What rotten rows cost: the file of W1 with one row in a hundred broken, beside the same file whole."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.data import events
from benchmarks.w1 import APPLICATION
from dataflows.running import Job, run_here
from models.application.load import load

BREAK = (
    lambda row: row[: len(row) // 2],
    lambda row: row.replace(b'"country":', b'"country":"').replace(b',"device"', b'","device"'),
    lambda row: row.replace(b'"amount":', b'"amount":NaN,"x":'),
    lambda row: row.replace(b'"card":"', b'"card":null,"was":"'),
    lambda row: b'{"ts":1,' + row[1:],
    lambda row: row.replace(b'"device":"', b'"device":"\xff'),
)
"""Ways to break a row, taken in turn: cut, a number in quotes, NaN, null, a key twice, no UTF-8."""


def rotten(path: Path, out: Path) -> int:
    """Copy lines, every hundredth broken; how many are."""
    broken = 0
    with path.open("rb") as whole, out.open("wb") as file:
        for i, line in enumerate(whole):
            bad = i % 100 == 50
            file.write(BREAK[broken % len(BREAK)](line.rstrip(b"\n")) + b"\n" if bad else line)
            broken += bad
    return broken


def main(n: int = 1_000_000) -> list[tuple[str, str]]:
    """Measure both, in turn; check that exactly the broken rows are dead letters."""
    with tempfile.TemporaryDirectory() as folder:
        whole, bad = Path(folder) / "w1.jsonl", Path(folder) / "bad.jsonl"
        events(whole, n)
        broken = rotten(whole, bad)
        text = APPLICATION + "  dead_letters: {file: dead.jsonl}\n"
        (Path(folder) / "app.yaml").write_text(text)
        taken: dict[Path, list[float]] = {whole: [], bad: []}
        for _ in range(7):
            for path in (whole, bad):
                application = load(Path(folder) / "app.yaml", inputs={"tx": str(path)})
                started = time.process_time()
                counts = run_here(Job(application, 16, lambda: ""))
                taken[path].append(time.process_time() - started)
        assert sum(counts.dead.values()) == broken, f"{counts.dead} are not the {broken} broken rows"
    return [
        ("1 % rotten rows", f"{n / min(taken[bad]) / 1e6:.2f} M events/s, {broken} dead letters"),
        ("1 % rotten / whole", f"{min(taken[whole]) / min(taken[bad]):.2f} x"),
    ]
