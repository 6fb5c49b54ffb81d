"""A flow's end: one decision, its effects in the order of the saga, one audit record; nothing of it without the lease."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import insert, select

from agents.audit.chain import hash_of
from agents.flows.deciding import end_flow
from agents.ledger.claims import Lost, claim
from agents.ledger.ledger import Ledger
from agents.ledger.schema import audit, decision, effect, flow, llm_call
from agents.policy import Policy, policy_of
from agents.tiers.outcome import Decide
from models.application.load import load
from models.events.decision import Decision, decision_id, effect_key

APPLICATION = """tocsin: 1
name: bank
streams: {tx: {time: ts, fields: {ts: timestamp, card: string}}}
patterns: {p: {on: tx, by: card, when: card = 'a'}}
teams: {analysts: {notify: [slack, mail]}}
endpoints:
  core: {url: "http://127.0.0.1:1/"}
  unblock: {url: "http://127.0.0.1:1/"}
  slack: {url: "http://127.0.0.1:1/", format: slack}
  mail: {url: "smtp://127.0.0.1:1", from: a@example.com, to: b@example.com}
respond:
  responders:
    r:
      human: {levels: [{to: analysts, within: 1m}], default: dismiss}
      actions:
        block: [{webhook: core, undo: {webhook: unblock}}, {notify: analysts}, {topic: decisions}, {webhook: core}]
        default: [{topic: decisions}]
"""


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    (tmp_path / "app.yaml").write_text(APPLICATION)
    found = policy_of(load(tmp_path / "app.yaml"))
    assert found is not None
    return found


def claimed(ledger: Ledger, runmode: str = "live", lease: int = 10**9) -> Any:
    id_ = decision_id("f", "r", 0, runmode)
    row = {
        "id": id_,
        "runmode": runmode,
        "flag_id": "f",
        "responder": "r",
        "pattern": "p",
        "subject": "card/a",
        "stage": "human",
        "lane": 1,
    }
    ledger.writer.submit(lambda c: c.execute(insert(flow).values(**row))).result()
    call = {"id": "c", "flow_id": id_, "number": 1, "tokens_in": 10, "tokens_out": 5, "cost_nano": 700}
    ledger.writer.submit(lambda c: c.execute(insert(llm_call).values(**call))).result()
    [found] = ledger.writer.submit(lambda c: claim(c, flow, owner="me", now=1, lease=lease, most=1)).result()
    return found


def rows(ledger: Ledger, table: Any) -> list[Any]:
    return ledger.look(lambda c: list(c.execute(select(table)).mappings()))


def test_a_flow_ends_once(ledger: Ledger, policy: Policy) -> None:
    row = claimed(ledger)
    outcome = Decide("block", "human", ("mule_like",), ("e1",), 0.8)
    ledger.writer.submit(lambda c: end_flow(c, policy, row, outcome, 10)).result()
    with pytest.raises(Lost):
        ledger.writer.submit(lambda c: end_flow(c, policy, row, outcome, 10)).result()
    [found] = rows(ledger, decision)
    body = Decision.model_validate(orjson.loads(found["body"]))
    assert (body.id, body.verdict, body.spent.tokens_in, found["cost_nano"]) == (decision_id("f", "r"), "block", 10, 700)
    effects = sorted(rows(ledger, effect), key=lambda each: each["seq"])
    assert [(e["action"], e["target"], e["state"]) for e in effects] == [
        ("webhook", "core", "ready"), ("notify:analysts", "slack", "waiting"), ("notify:analysts", "mail", "waiting"), ("topic", "decisions", "waiting"),
    ]  # fmt: skip
    assert effects[0]["key"] == effect_key(body.id, "webhook", "core") == body.actions[0].key
    assert orjson.loads(effects[0]["undo"]) == {"kind": "webhook", "target": "unblock"}
    [record] = rows(ledger, audit)
    assert (record["seq"], record["prev_hash"], record["hash"]) == (1, "", hash_of(record))
    assert [each["stage"] for each in rows(ledger, flow)] == ["done"]


def test_a_replay_s_effects_are_withheld(ledger: Ledger, policy: Policy) -> None:
    row = claimed(ledger, "backtest:x")
    ledger.writer.submit(lambda c: end_flow(c, policy, row, Decide("odd", "default:timeout"), 10)).result()
    [found] = rows(ledger, effect)
    assert (found["state"], found["open"], found["target"]) == ("withheld", False, "decisions")
    assert found["decision_id"] == decision_id("f", "r", 0, "backtest:x") != decision_id("f", "r")
