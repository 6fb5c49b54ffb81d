"""An application and events as text; what is told of a key."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dataflows.commands.whynot import story_of
from dataflows.tracing.trace import Story
from dataflows.tracing.words import headline
from models.application.load import load

HEAD = """tocsin: 1
name: told
calendars:
  office: {tz: UTC, hours: "08:00-18:00", days: [mon, tue, wed, thu, fri]}
streams:
  tx:
    from: {file: tx.jsonl}
    time: ts
    id: id
    lateness: 5s
    fields: {ts: timestamp, id: string, card: string, shop: "string?", kind: "string?", amount: "int?"}
features:
  n: {count: true, by: card, over: 10m}
  shop_n: {count: true, by: shop, over: 10m}
patterns:
"""


def story(folder: Path, patterns: str, rows: Sequence[tuple[Any, ...]], pattern: str = "p", key: str = "a") -> Story:
    """What is told after rows (time of day or more, card, kind, amount, shop) of Monday 2026-01-05."""
    (folder / "app.yaml").write_text(HEAD + patterns)
    with (folder / "tx.jsonl").open("w") as out:
        for number, row in enumerate(rows):
            time, card, kind, amount, shop = (*row, *(None,) * (5 - len(row)))
            event = {"ts": f"2026-01-05T{time}Z", "id": f"t{number}", "card": card, "shop": shop, "kind": kind, "amount": amount}
            out.write(json.dumps(event) + "\n")
    return story_of(load(folder / "app.yaml"), pattern, key)


def lines(found: Story) -> list[str]:
    """The headlines of all attempts."""
    return [headline(attempt) for attempt in found.attempts]
