"""A responder with every tier, what it talks to, and what must hold of its ledger whatever was killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from sklearn.linear_model import LogisticRegression
from sqlalchemy import func, select

from agents.audit.verify import verify
from agents.ledger.ledger import Ledger
from agents.ledger.schema import audit, decision, effect, flow, inbox, llm_call
from models.detectors.registry import save
from tests.agents.flags import flag
from tests.agents.llm.cases import KEY
from tests.agents.llm.scripted import Running, Send, Server, completion, good, reply
from tests.agents.receiver import Receiver, receiving

ROOT = Path(__file__).parent.parent.parent.parent
LEASE = 3.0
APPLICATION = """tocsin: 1
name: bank
streams: {{tx: {{time: ts, fields: {{ts: timestamp, customer_id: string, amount: "decimal(12,2)", country: string}}}}}}
scores: {{amount_z: {{zscore: amount, by: customer_id, over: 30d}}}}
patterns: {{takeover: {{on: tx, by: customer_id, when: amount > 1 and amount_z > 1}}}}
teams: {{analysts: {{notify: []}}}}
endpoints: {{core: {{url: "{receiver}", private: [127.0.0.1], schedule: [0s, 100ms, 200ms, 1s]}}}}
respond:
  responders:
    r:
      deadline: 1h
      rules: {{tiny: {{when: evidence_sum.amount < 20, verdict: dismiss}}}}
      score: {{model: risk@1, dismiss_below: 0.2, block_above: 0.8}}
      llm:
        model: small
        url: "{model}"
        key: k
        prompt: p.md
        fields: [country]
        verdicts: [dismiss, block, escalate]
        reason_codes: [travel]
        budget: {{per_day: 1000 EUR, timeout: 10s}}
        slots: 8
        on_failure: human
      human: {{levels: [{{to: analysts, within: 20ms}}], default: block}}
      actions:
        block: [{{webhook: core}}, {{topic: decisions}}]
        dismiss: [{{topic: decisions}}]
  prices: {{small: {{input_per_million: 1, output_per_million: 1}}}}
"""


async def judge(server: Server, _: dict[str, Any], send: Send) -> None:
    """Block, dismiss and escalate in turn."""
    verdict = ("block", "dismiss", "escalate")[len(server.bodies) % 3]
    await reply(send, completion(good(verdict)))


@dataclass
class Nursery:
    """A process that forks responders."""

    world: World
    process: subprocess.Popen[str] = field(init=False)

    def __post_init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TOCSIN_MASK_KEY": KEY, "TOCSIN_LINK_KEY": KEY}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.agents.kills.nursery"], cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=(self.world.folder / "log").open("a"),
        )  # fmt: skip

    def begin(self, flags: Path, kill: str = "") -> None:
        """Begin a life."""
        order = {"application": str(self.world.folder / "app.yaml"), "flags": str(flags), "ledger": self.world.url, "lease": LEASE,
                 "kill": kill}  # fmt: skip
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def end(self) -> int:
        """Wait for its end: the exit code, -9 for a killed one."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, (self.world.folder / "log").read_text()[-3000:]
        return int(line)

    def live(self, flags: Path, kill: str = "") -> int:
        """A whole life."""
        self.begin(flags, kill)
        return self.end()

    def close(self) -> None:
        """No more lives."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(60)


@dataclass
class World:
    """Servers, files and the ledger's URL."""

    folder: Path
    url: str
    receiver: Receiver
    model: Server
    sent: int = 0

    def flags(self, count: int) -> Path:
        """A file of new flags: of each four the rules decide one, the score one, models or people two."""
        made = []
        for number in range(self.sent, self.sent + count):
            kind = number % 4
            amount, z = ("10.00", 5.0) if kind == 0 else ("100.00", 9.0 if number % 8 == 1 else 1.0) if kind == 1 else ("100.00", 5.0)
            made.append(flag(number, amount=amount, scores={"amount_z": {"value": z, "model": "zscore", "version": "1"}}))
        path = self.folder / f"flags-{self.sent}.jsonl"
        path.write_bytes(b"".join(orjson.dumps(each) + b"\n" for each in made))
        self.sent += count
        return path

    def open_rows(self) -> int:
        """Flows and effects that are not done, flags that are not in."""
        ledger = Ledger(self.url)
        try:
            return ledger.look(lambda c: self.sent - _count(c, inbox) + _count(c, flow, flow.c.open) + _count(c, effect, effect.c.open))
        finally:
            ledger.close()

    def finish(self, nursery: Nursery, flags: Path, seconds: float = 240) -> None:
        """Live until nothing is open."""
        end = time.monotonic() + seconds
        while True:
            assert nursery.live(flags) == 0, (self.folder / "log").read_text()[-3000:]
            if not self.open_rows():
                return
            assert time.monotonic() < end, (self.open_rows(), (self.folder / "log").read_text()[-3000:])

    def check(self) -> Counter[str]:
        """What must hold; the tiers' shares."""
        ledger = Ledger(self.url)
        try:
            tiers = ledger.look(self._decisions)
            ledger.look(self._calls)
            ledger.look(self._effects)
            assert ledger.look(verify).problems == []
        finally:
            ledger.close()
        return tiers

    def _decisions(self, connection: Any) -> Counter[str]:
        """Every flag in one decision, every decision in the audit once."""
        flags = connection.scalars(select(decision.c.flag_id)).all()
        assert len(flags) == len(set(flags)) == self.sent == _count(connection, inbox)
        told = connection.scalars(select(audit.c.ref).where(audit.c.kind == "decision")).all()
        assert len(told) == len(set(told)) == self.sent
        assert not _count(connection, flow, flow.c.open)
        return Counter(tier.partition(":")[0] for tier in connection.scalars(select(decision.c.tier)))

    def _calls(self, connection: Any) -> None:
        """No finished call again; one in flight at most once again, and spent."""
        rows = connection.execute(select(llm_call).order_by(llm_call.c.flow_id, llm_call.c.number)).mappings().all()
        by_flow: dict[str, list[Any]] = {}
        for row in rows:
            by_flow.setdefault(row["flow_id"], []).append(row)
        for calls in by_flow.values():
            assert [call["state"] for call in calls[:-1]] == ["ambiguous"] * (len(calls) - 1), [dict(call) for call in calls]
            assert len(calls) <= 2 and calls[-1]["state"] != "calling"
            assert all(call["cost_nano"] == call["reserved_nano"] > 0 for call in calls if call["state"] == "ambiguous")
        assert len(self.model.bodies) <= len(rows)

    def _effects(self, connection: Any) -> None:
        """Everything that was to be done is done; what came twice came under one key."""
        rows = connection.execute(select(effect.c.key, effect.c.kind, effect.c.state)).all()
        assert {row.state for row in rows} == {"done"}
        assert self.receiver.accepted == {row.key for row in rows if row.kind == "webhook"}
        lines = [orjson.loads(line) for line in (self.folder / "decisions.jsonl").read_bytes().splitlines()]
        assert {line["id"] for line in lines} == set(connection.scalars(select(decision.c.id)))


def _count(connection: Any, table: Any, *where: Any) -> int:
    return int(connection.scalar(select(func.count()).select_from(table).where(*where)) or 0)


@contextmanager
def world(folder: Path, url: str) -> Iterator[World]:
    """A world, until the block ends."""
    (folder / "p.md").write_text("Decide.\n")
    z = np.linspace(0, 10, 400)
    model = LogisticRegression(C=1e6).fit(z[:, None], z > 5)
    save(folder / "models", "risk@1", model, {"z": "scores.amount_z"})
    with receiving() as receiver, Running(judge) as server:
        (folder / "app.yaml").write_text(APPLICATION.format(receiver=receiver.url, model=server.url))
        yield World(folder, url, receiver, server)
