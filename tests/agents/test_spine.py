"""From a file of flags to decisions: routes, rules, expiry, silences, inhibition; twice is once; what is no flag is a dead letter."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import insert, select

from agents.inbox.files import FileInput, identity
from agents.inbox.intake import Intake, Taken, next_offset
from agents.inbox.plan import Planner
from agents.inbox.record import Poison, Record, read_record
from agents.ledger.clock import FixedClock
from agents.ledger.ledger import Ledger
from agents.ledger.schema import dead_letter, decision, effect, inhibition, silence
from agents.policy import Policy, policy_of
from agents.reports import decisions_of
from agents.service import Service
from models.application.load import load
from models.events.cloudevents import binary
from models.events.decision import DecisionEvent
from tests.agents.flags import BEGIN, SECOND, flag, written

APPLICATION = """tocsin: 1
name: bank
streams:
  tx:
    time: ts
    join: {customer: {table: customers, on: customer_id}}
    fields: {ts: timestamp, customer_id: string, amount: "decimal(12,2)", country: string}
tables: {customers: {from: {file: c.csv}, key: customer_id, fields: {customer_id: string, segment: string}}}
scores: {amount_z: {zscore: amount, by: customer_id, over: 30d}}
patterns:
  takeover: {on: tx, by: customer_id, when: amount > 1}
  down: {on: tx, by: customer_id, when: amount > 2, suppress: {cooldown: 1m}}
lists: {sanctions: {values: [k13]}}
respond:
  routes:
    - {match: severity = 'critical', to: loud, continue: true}
    - {match: pattern = 'takeover', to: takeover}
    - {to: rest}
  inhibit: [{source: pattern = 'down', target: pattern = 'takeover', equal: [country]}]
  responders:
    takeover:
      rules:
        tiny: {when: evidence_sum.amount < 20, verdict: dismiss}
        trusted: {when: enrichment.customer.segment = 'private' and scores.amount_z < 2, verdict: dismiss}
        sanctioned: {when: "in_list(key.customer_id, 'sanctions')", verdict: block, hard: true}
      actions: {block: [{topic: decisions}]}
      default: watch
    loud: {default: shout}
    rest: {}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    (tmp_path / "app.yaml").write_text(APPLICATION)
    (tmp_path / "c.csv").write_text("customer_id,segment\n")
    found = policy_of(load(tmp_path / "app.yaml"))
    assert found is not None
    return found


def taken(ledger: Ledger, policy: Policy, path: Path, now: int = BEGIN, runmode: str | None = None) -> Taken:
    """What one pass over a file comes to."""
    clock = FixedClock(now)
    service = Service(ledger, policy, clock, Intake(ledger, Planner(policy), clock, runmode), [])
    begin = ledger.look(lambda c: next_offset(c, runmode or "live", identity(path), 0)) or 0
    source = FileInput(path, begin, whole=True)
    asyncio.run(service.once(source))
    source.close()
    return service.taken


def verdicts(ledger: Ledger, runmode: str = "live") -> dict[str, tuple[str, str]]:
    """Verdict and tier by the flag's key and the responder."""
    found = {}
    for line in ledger.look(lambda c: list(decisions_of(c, runmode, "bank"))):
        event = DecisionEvent.model_validate(orjson.loads(line))
        found[f"{event.partitionkey} {event.data.responder}".strip()] = (event.data.verdict, event.data.tier)
    return found


def test_rules_in_order_hard_ones_first_and_the_default(ledger: Ledger, policy: Policy, tmp_path: Path) -> None:
    path = written(
        tmp_path / "f.jsonl", flag(1, amount="19.99"), flag(2, amount="20.00"), flag(13, amount="1.00"),
        flag(3, scores={"amount_z": {"value": 1.5}}), flag(4, "other", severity="critical"), flag(5, severity="critical", amount="1.00"),
    )  # fmt: skip
    assert taken(ledger, policy, path) == Taken(6, 8, 0, 0, 0)
    assert verdicts(ledger) == {
        "k1 takeover": ("dismiss", "rule:tiny"), "k2 takeover": ("watch", "default:abstained"), "k13 takeover": ("block", "rule:sanctioned"),
        "k3 takeover": ("dismiss", "rule:trusted"), "k4 loud": ("shout", "default:no_tier"), "k4 rest": ("default", "default:no_tier"),
        "k5 loud": ("shout", "default:no_tier"), "k5 takeover": ("dismiss", "rule:tiny"),
    }  # fmt: skip
    [found] = ledger.look(lambda c: c.execute(select(effect.c.kind, effect.c.target, effect.c.state)).all())
    assert tuple(found) == ("topic", "decisions", "ready")


def test_a_file_is_taken_once_and_goes_on_where_it_ended(ledger: Ledger, policy: Policy, tmp_path: Path) -> None:
    path = written(tmp_path / "f.jsonl", flag(1), flag(2))
    taken(ledger, policy, path)
    written(path, flag(1), flag(2), flag(3))
    assert taken(ledger, policy, path) == Taken(1, 1, 0, 0, 0)
    written(path, flag(9), flag(1, recordedtime="2025-01-01T00:00:00Z"), flag(2))  # another file of that name
    assert taken(ledger, policy, path) == Taken(1, 1, 0, 2, 0)


def test_the_same_id_with_another_body_is_refused(ledger: Ledger, policy: Policy, tmp_path: Path) -> None:
    taken(ledger, policy, written(tmp_path / "a.jsonl", flag(1), flag(2), flag(2, amount="7.00")))
    other = written(tmp_path / "b.jsonl", flag(1, amount="5.00"))
    assert taken(ledger, policy, other) == Taken(0, 0, 0, 1, 1)
    found = ledger.look(lambda c: c.execute(select(dead_letter.c.reason, dead_letter.c.detail).order_by(dead_letter.c.id)).all())
    assert [row.reason for row in found] == ["conflict", "conflict"]
    assert "is known with another body" in found[1].detail
    assert verdicts(ledger) == {"k1 takeover": ("watch", "default:abstained"), "k2 takeover": ("watch", "default:abstained")}


def test_an_expired_flag_ends_by_default_unless_a_hard_rule_holds(ledger: Ledger, policy: Policy, tmp_path: Path) -> None:
    old = {"expirytime": "2023-11-14T22:13:21Z"}
    path = written(tmp_path / "f.jsonl", flag(1, amount="1.00", **old), flag(13, **old))
    taken(ledger, policy, path, BEGIN + SECOND)
    assert verdicts(ledger) == {"k1 takeover": ("watch", "default:expired"), "k13 takeover": ("block", "rule:sanctioned")}
    taken(ledger, policy, path, BEGIN + SECOND, "backtest:x")
    assert verdicts(ledger, "backtest:x")["k1 takeover"] == ("dismiss", "rule:tiny")  # a replay is not late


def test_a_silenced_flag_is_recorded_and_nothing_leaves(ledger: Ledger, policy: Policy, tmp_path: Path) -> None:
    rows = [
        {"id": "s1", "matchers": "key.customer_id = 'k13'", "starts_at": BEGIN, "until": BEGIN + SECOND},
        {"id": "s2", "matchers": "key.customer_id = 'k1'", "starts_at": BEGIN, "until": BEGIN},
        {"id": "s3", "matchers": "nonsense = 1", "starts_at": BEGIN, "until": BEGIN + SECOND},
    ]
    ledger.writer.submit(lambda c: c.execute(insert(silence), rows)).result()
    taken(ledger, policy, written(tmp_path / "f.jsonl", flag(1), flag(13)))
    assert verdicts(ledger) == {"k1 takeover": ("watch", "default:abstained"), "k13": ("silenced", "default:silenced")}
    assert not ledger.look(lambda c: c.execute(select(effect)).all())


def test_targets_are_inhibited_while_the_source_s_episode_lasts(ledger: Ledger, policy: Policy, tmp_path: Path) -> None:
    """The source's cooldown is a minute; it inhibits flags of the same country, in later batches too."""
    taken(ledger, policy, written(tmp_path / "a.jsonl", flag(0), flag(1, "down"), flag(2)))
    abroad = flag(3)
    abroad["data"]["evidence"][0]["fields"]["country"] = "FR"
    taken(ledger, policy, written(tmp_path / "b.jsonl", abroad, flag(61), flag(62)))
    found = verdicts(ledger)
    assert {key: found[key][1] for key in ("k0 takeover", "k2", "k3 takeover", "k61", "k62 takeover")} == {
        "k0 takeover": "default:abstained", "k2": "default:inhibited", "k3 takeover": "default:abstained", "k61": "default:inhibited",
        "k62 takeover": "default:abstained",
    }  # fmt: skip
    taken(
        ledger,
        policy,
        written(tmp_path / "c.jsonl", flag(63, "down", dedupkey="d"), flag(64, "down", kind="cleared", dedupkey="d"), flag(65)),
    )
    assert verdicts(ledger)["k65 takeover"] == ("watch", "default:abstained")
    assert len(ledger.look(lambda c: c.execute(select(inhibition)).all())) == 1


def test_a_replay_neither_blocks_nor_repeats_live_decisions(ledger: Ledger, policy: Policy, tmp_path: Path) -> None:
    path = written(tmp_path / "f.jsonl", flag(13))
    taken(ledger, policy, path, runmode="backtest:a")
    taken(ledger, policy, path)
    found = ledger.look(
        lambda c: c.execute(select(decision.c.runmode, effect.c.state).join(effect, effect.c.decision_id == decision.c.id)).all()
    )
    assert sorted(map(tuple, found)) == [("backtest:a", "withheld"), ("live", "ready")]


@pytest.mark.parametrize(
    ("value", "reason", "detail"),
    [(b"{", "syntax", "expected JSON"), (b"[1]", "syntax", "expected a JSON object"), (b"{}", "missing", "expected id as text"),
     (b'{"id": 5}', "type", "expected id as text"), (b"\xff", "syntax", "expected JSON"),
     (orjson.dumps({**flag(1), "data": {}}), "envelope", "expected a flag with data.pattern.name"),
     (orjson.dumps({**flag(1), "time": "now"}), "type", "expected times as RFC 3339; found")],
)  # fmt: skip
def test_what_is_no_flag_is_a_dead_letter(value: bytes, reason: str, detail: str) -> None:
    found = read_record(Record("t", 0, 7, value))
    assert isinstance(found, Poison) and found.reason == reason and found.detail.startswith(detail)


def test_both_modes_of_kafka_give_the_same_flag() -> None:
    event = flag(1)
    there = read_record(Record("t", 0, 0, orjson.dumps(event), None, (("content-type", b"application/cloudevents+json"),)))
    record = binary(event)
    headers: tuple[tuple[str, bytes | None], ...] = tuple(record.headers)
    here = read_record(Record("t", 0, 0, record.value, record.key, headers))
    assert not isinstance(there, Poison) and not isinstance(here, Poison)
    assert there is not None and here is not None and (there.sha, there.id, there.lane) == (here.sha, here.id, here.lane)
    assert read_record(Record("t", 0, 0, b'{"type": "tocsin.application.v1"}')) is None


def test_poison_lies_in_the_ledger_with_its_bytes(ledger: Ledger, policy: Policy, tmp_path: Path) -> None:
    assert taken(ledger, policy, written(tmp_path / "f.jsonl", flag(1), "{nonsense", flag(2))) == Taken(2, 2, 0, 0, 1)
    [row] = ledger.look(lambda c: list(c.execute(select(dead_letter)).mappings()))
    found: dict[str, Any] = dict(row)
    assert (found["reason"], bytes(found["value"]), found["offset"]) == (
        "syntax",
        b"{nonsense",
        len(orjson.dumps(flag(1))) + _spaces(flag(1)) + 1,
    )


def _spaces(event: dict[str, Any]) -> int:
    import json

    return len(json.dumps(event)) - len(orjson.dumps(event))
