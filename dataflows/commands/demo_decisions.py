"""The demo's last step: its flags, answered."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any


def demo_decisions(application: Path, flags: Path, out: Path) -> None:
    """Answer the flags with a new ledger and say how they were decided; the decisions go to decisions.jsonl beside the flags."""
    from agents.reports import tally
    from dataflows.commands.console import out as console
    from dataflows.commands.console import table
    from dataflows.commands.responding import Options, opened

    ledger = out / "ledger.db"
    for file in [*out.glob("ledger.db*"), *out.glob("decisions.jsonl")]:
        file.unlink()
    options = Options(application, flags, True, str(ledger), False, {}, (), 30.0)
    with opened(options) as (service, source):
        started = time.perf_counter()
        asyncio.run(service.once(source))
        seconds = time.perf_counter() - started
        found = service.ledger.look(lambda c: tally(c, "live"))
    console.print(f"   {service.taken.flags} flags in {seconds:.1f} s: each in one decision, or with people until they answer\n")
    columns = ("   decided by", "verdict", "flags")
    table("", columns, [*_rows(found)], right=("flags",))
    console.print("   [dim]Rules come first, then a trained score; what is left waits for the fraud desk.[/]")


def _rows(found: dict[str, list[dict[str, Any]]]) -> list[tuple[str, str, int]]:
    rows = [(f"   {row['tier']}", row["verdict"], row["count"]) for row in found["decisions"]]
    return rows + [(f"   waits: {row['stage']}", "–", row["count"]) for row in found["open"]]
