"""kill -9 between any two steps of the outbox: nothing is lost, and repetitions carry the same key."""

from __future__ import annotations

import json
import multiprocessing
import random
import signal
from pathlib import Path

from agents.audit.verify import verify
from agents.effects.outbox import LEASE
from agents.ledger.ledger import Ledger
from tests.agents.effects.killed import work
from tests.agents.effects.ledgers import decide, effects
from tests.agents.messages import NOW
from tests.agents.receiver import receiving

FLAGS, KILLS = 60, 10
ACTIONS = [("webhook", "bank", None), ("topic", "decisions", None)]


def test_every_effect_is_accepted_once_whatever_is_killed(ledger_url: str, tmp_path: Path) -> None:
    """Processes die at random marks, one after another; each next one finds what the dead one left when its lease is over."""
    ledger, chance = Ledger(ledger_url), random.Random(5)
    keys = [decide(ledger, number, ACTIONS) for number in range(FLAGS)]
    processes = multiprocessing.get_context("forkserver")
    killed, now = 0, NOW
    with receiving() as receiver:
        for turn in range(60):
            plan = f"*:{chance.randint(1, 8)}" if killed < KILLS else ""
            arguments = (
                ledger.url.render_as_string(hide_password=False),
                receiver.url,
                str(tmp_path / "topics"),
                plan,
                now,
                f"p{turn}",
            )
            process = processes.Process(target=work, args=arguments)
            process.start()
            process.join(120)
            killed += process.exitcode == -signal.SIGKILL
            assert process.exitcode in (0, -signal.SIGKILL)
            if ledger.postgresql:
                _lapse(ledger)
            now += 2 * LEASE
            if process.exitcode == 0 and not any(row["open"] for row in effects(ledger).values()):
                break
        assert receiver.accepted == {webhook for webhook, _ in keys}
        repeated = sum(receiver.keys.values()) - FLAGS
    assert {row["state"] for row in effects(ledger).values()} == {"done"}
    assert killed >= 8 and repeated <= killed * 16
    published = [json.loads(line)["id"] for line in (tmp_path / "topics" / "decisions.jsonl").read_text().splitlines()]
    assert set(published) == {row["decision_id"] for row in effects(ledger).values()}
    assert ledger.look(verify).problems == []
    ledger.close()


def _lapse(ledger: Ledger) -> None:
    """There leases go by the database's clock: let the dead one's be over."""
    from sqlalchemy import update

    from agents.ledger.schema import effect
    from tests.agents.effects.ledgers import change

    change(ledger, lambda c: c.execute(update(effect).values(lease_until=0)))
