"""Responders in an application file: the page's own example, and each mistake with its one message and place."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.application.errors import ApplicationErrors
from models.application.load import load
from models.application.resolved.places import Position
from models.application.respond.environment import EnvText
from models.application.respond.money import money_text, parse_money

HEAD = """tocsin: 1
name: bank
streams:
  tx:
    time: ts
    join: {customer: {table: customers, on: customer_id}}
    fields: {ts: timestamp, customer_id: string, amount: "decimal(12,2)", country: string, dc: "string?"}
  logs: {time: ts, fields: {ts: timestamp, dc: string, amount: string}}
tables:
  customers: {from: {file: c.csv}, key: customer_id, fields: {customer_id: string, segment: string}}
calendars: {office: {hours: "08:00-18:00"}}
scores: {amount_z: {zscore: amount, of: tx, by: customer_id, over: 30d}}
patterns:
  takeover: {on: tx, by: customer_id, when: "amount > 100 and amount_z > 3 and customer.segment = 'private'"}
  dc_down: {on: logs, by: dc, when: dc = 'a', labels: {team: ops}}
lists: {sanctions: {key: customer_id, from: {file: sanctions.csv}}}
teams: {analysts: {notify: [slack]}}
endpoints:
  core: {url: "https://core.example/flags", secret: "${CORE_SECRET}"}
  slack: {url: "${SLACK_URL}", format: slack}
"""
RESPONDER = """respond:
  responders:
    a:
      {}
"""
LLM = RESPONDER.replace("{}", "llm: {model: m, prompt: p.md, fields: [country], verdicts: [block], reason_codes: [x], on_failure: block, {}}")
HUMAN = RESPONDER.replace("{}", "human: {default: block, levels: [{to: analysts, within: 1m}], {}}")
RESPOND = "respond:\n  responders: {a: {}}\n  {}\n".replace("{a: {}}", "{a: {default: x}, b: {default: y}}")
TOP = "{}\n"
ENDPOINT = "  {}\n"
TEAM = "teams"

CASES = [
    (TEAM, "x: {rol: analyst}", "17:13: unknown key of a team 'rol'; … (did you mean role?)"),
    (TEAM, "x: {role: boss}", "17:19: expected role as one of viewer, analyst, admin; found 'boss'"),
    (TEAM, "x: {notify: slak}", "17:21: unknown endpoint 'slak'; expected one of core, slack (did you mean slack?)"),
    (ENDPOINT, "x: {format: slack}", "21:6: expected url of endpoint 'x'; found none"),
    (ENDPOINT, 'x: {url: "ftp://a"}', "21:12: expected url as http(s)://… or smtp(s)://…; found 'ftp://a'"),
    (ENDPOINT, 'x: {url: "smtp://a"}', "21:6: mail endpoint 'x': expected from and to beside its url; found one missing"),
    (ENDPOINT, 'x: {url: "http://a", format: teams}', "21:32: expected format as one of cloudevents, slack, pagerduty, alertmanager; found 'teams'"),
    (ENDPOINT, 'x: {url: "http://a", format: {template: t.txt}}', "21:43: t.txt: cannot be read: No such file or directory"),
    (ENDPOINT, 'x: {url: "http://a", format: {}}', "21:32: expected format as a word or {template: FILE}; found none"),
    (ENDPOINT, 'x: {url: "http://a", schedule: 5s}', "21:34: expected schedule as a list of durations; found '5s'"),
    (ENDPOINT, 'x: {url: "http://a", private: [lan]}', "21:33: expected private as addresses or networks such as 10.0.0.0/8; found 'lan'"),
    (ENDPOINT, 'x: {url: "http://a", secret: "${"}', "21:32: expected ${NAME}, ${NAME:-default} or ${file:PATH}; found another use of ${"),
    (TOP, "respond: {responders: {}}", "21:10: expected responders: at least one; found none"),
    (TOP, "respond: {responders: {a: {default: x}, b: {default: y}}}", "21:10: expected routes, since there are several responders; found none"),
    (RESPOND, "routes: {}", "23:11: expected routes as a list; found a mapping"),
    (RESPOND, "routes: [{match: severity = 'low'}]", "23:12: expected to: a responder; found none"),
    (RESPOND, "routes: [{to: c}]", "23:17: unknown responder 'c'; expected one of a, b"),
    (RESPOND, "routes: [{match: severty = 'low', to: a}]", "23:20: unknown name 'severty' (did you mean severity?)"),
    (RESPOND, "routes: [{match: severity, to: a}]", "23:20: 'severity' gives string; expected bool"),
    (RESPOND, "routes: [{match: amount > 1, to: a}]", "23:20: 'amount' is of different types in different patterns: decimal(12,2) and string; expected a name that means one thing"),
    (RESPOND, "routes: [{match: steps = 1, to: a}]", "23:20: 'steps' is a part of the flag; expected one of its values"),
    (RESPOND, "routes: [{to: a}]\n  inhibit: {}", "24:12: expected inhibit as a list; found a mapping"),
    (RESPOND, "routes: [{to: a}]\n  inhibit: [{source: priority = 1}]", "24:13: expected target: a condition on flags; found none"),
    (RESPOND, "routes: [{to: a}]\n  inhibit: [{source: priority = 1, target: priority = 2, equal: [dcc]}]", "24:65: unknown name 'dcc' (did you mean dc?)"),
    (RESPOND, "routes: [{to: a}]\n  budget: {per_day: 5}", "24:21: expected per_day as money such as 5 EUR; found '5'"),
    (RESPOND, "routes: [{to: a}]\n  budget: {per_day: 5 EUR, per_hour: 1 USD}", "24:21: expected all budgets in one currency, USD; found EUR"),
    (RESPOND, "routes: [{to: a}]\n  budget: {per_pattern: {takover: 1 EUR per day}}", "24:26: unknown pattern 'takover'; expected one of takeover, dc_down, default (did you mean takeover?)"),
    (RESPOND, "routes: [{to: a}]\n  budget: {per_pattern: {takeover: 1 EUR}}", "24:36: expected per_pattern of takeover as money such as 1 EUR per day; found '1 EUR'"),
    (RESPOND, "routes: [{to: a}]\n  budget: {per_pattern: 5}", "24:25: expected per_pattern as patterns with amounts; found '5'"),
    (RESPOND, "routes: [{to: a}]\n  prices: 5", "24:11: expected prices by model; found '5'"),
    (RESPOND, "routes: [{to: a}]\n  prices: {m: {input_per_million: 1}}", "24:15: expected output_per_million of model 'm'; found none"),
    (RESPOND, "routes: [{to: a}]\n  prices: {m: {input_per_million: 1, output_per_million: x}}", "24:58: expected output_per_million as a price such as 0.4; found 'x'"),
    (RESPOND, "routes: [{to: a}]\n  retention: {flags: 4}", "24:22: expected flags as a duration such as 30s, 10m or 1h30m; found '4'"),
    (RESPONDER, "rules: {r: {verdict: block}}", "24:18: expected when of rule 'r'; found none"),
    (RESPONDER, "rules: {r: {when: priority = 1, verdict: Block!}}", "24:48: expected verdict as a verdict's name of a-z, 0-9 and _; found 'Block!'"),
    (RESPONDER, "rules: {r: {when: \"in_list(key.customer_id, 'sanction')\", verdict: block}}", "24:26: unknown list 'sanction' (did you mean sanctions?)"),
    (RESPONDER, "rules: {r: {when: priority = 1, verdict: escalate}}", "24:18: 'escalate' hands over to people: expected human in responder 'a'; found none"),
    (RESPONDER, "score: {block_above: 1}", "24:14: expected model as NAME@VERSION; found none"),
    (RESPONDER, "score: {model: risk, block_above: 1}", "24:22: expected model as NAME@VERSION, such as risk@2; found 'risk'"),
    (RESPONDER, "score: {model: risk@2}", "24:14: expected VERDICT_below or VERDICT_above, such as dismiss_below: 0.1; found neither"),
    (RESPONDER, "score: {model: risk@2, a_below: 0.5, b_above: 0.2}", "24:14: expected a_below under b_above; found 0.5 and 0.2"),
    (RESPONDER, "score: {model: risk@2, a_below: 0.5, b_below: 0.2}", "24:44: expected one VERDICT_below; found 'b_below' too"),
    (RESPONDER, "llm: {model: m, prompt: p.md, fields: [country], verdicts: [block], reason_codes: [x]}", "24:12: on_failure is human: expected human in responder 'a', or a verdict; found none"),
    (RESPONDER, "llm: {prompt: p.md, fields: [country], verdicts: [block], reason_codes: [x], on_failure: block}", "24:12: expected model of llm; found none"),
    (RESPONDER, "llm: {model: m, prompt: q.md, fields: [country], verdicts: [block], reason_codes: [x], on_failure: block}", "24:31: q.md: cannot be read: No such file or directory"),
    (RESPONDER, "llm: {model: m, prompt: p.md, fields: [contry], verdicts: [block], reason_codes: [x], on_failure: block}", "24:46: unknown name 'contry' (did you mean country?)"),
    (LLM, "budget: {per_day: 1 EUR}", "24:20: expected prices of model 'm', since budgets are in EUR; found none"),
    (LLM, "slots: 0", "24:120: expected slots as a number of at least 1; found '0'"),
    (RESPONDER, "human: {default: block}", "24:14: expected levels as a list of {to: TEAM, within: DURATION}; found none"),
    (RESPONDER, "human: {levels: [{to: analysts, within: 1m}]}", "24:14: expected default: the verdict when nobody answers; found none"),
    (RESPONDER, "human: {default: block, levels: [{to: analyst, within: 1m}]}", "24:45: unknown team 'analyst'; expected one of analysts (did you mean analysts?)"),
    (RESPONDER, "human: {default: block, levels: [{to: analysts}]}", "24:40: expected within of a level; found none"),
    (HUMAN, "quiet_hours: {at: office}", "24:82: expected quiet_hours as {in: CALENDAR} or {not_in: CALENDAR}; found a mapping"),
    (HUMAN, "quiet_hours: {in: ofice}", "24:87: unknown calendar 'ofice'; expected one of office (did you mean office?)"),
    (RESPONDER, "actions: [x]", "24:16: expected actions by verdict; found a list"),
    (RESPONDER, "actions: {block: {webhook: core}}", "24:24: expected the actions of block as a list; found a mapping"),
    (RESPONDER, "actions: {block: [{call: core}]}", "24:25: expected an action as one of webhook, notify, topic, email, such as {webhook: ENDPOINT}; found {call}"),
    (RESPONDER, "actions: {block: [{webhook: cor}]}", "24:35: unknown endpoint 'cor'; expected one of core, slack (did you mean core?)"),
    (RESPONDER, "actions: {block: [{notify: lead}]}", "24:34: unknown team 'lead'; expected one of analysts"),
    (RESPONDER, "actions: {block: [{webhook: core, undo: {webhook: core, undo: {webhook: core}}}]}", "24:63: unknown key of an action 'undo'; expected one of webhook"),
]  # fmt: skip


def _whole(frame: str, text: str) -> str:
    if frame == TEAM:
        return HEAD.replace("teams: {", f"teams: {{{text}, ")
    return HEAD + frame.replace("{}", text)


def written(tmp_path: Path, text: str) -> Path:
    """An application, with its files."""
    (tmp_path / "sanctions.csv").write_text("customer_id,why\nk1,fraud\n")
    (tmp_path / "c.csv").write_text("customer_id,segment\n")
    (tmp_path / "p.md").write_text("Decide.\n")
    path = tmp_path / "app.yaml"
    path.write_text(text)
    return path


def errors_of(path: Path) -> list[str]:
    """What check says, without the folder."""
    with pytest.raises(ApplicationErrors) as found:
        load(path)
    return [error.replace(f"{path}:", "", 1).replace(f"{path.parent}/", "") for error in found.value.errors]


@pytest.mark.parametrize(("frame", "text", "expected"), CASES, ids=range(len(CASES)))
def test_each_mistake_is_told_once_at_its_place(frame: str, text: str, expected: str, tmp_path: Path) -> None:
    found = errors_of(written(tmp_path, _whole(frame, text)))
    begin, _, end = expected.partition("…")
    assert len(found) == 1 and found[0].startswith(begin) and found[0].endswith(end), found


GOOD = """respond:
  routes:
    - {match: "severity in ('high', 'critical') and pattern = 'takeover'", to: a}
    - {match: labels.team = 'ops', to: b, continue: true}
    - {to: b}
  inhibit: [{source: pattern = 'dc_down', target: labels.team = 'ops', equal: [dc]}]
  responders:
    a:
      deadline: 30s
      rules:
        sanctioned: {when: "in_list(key.customer_id, 'sanctions')", verdict: block, hard: true}
        trusted: {when: enrichment.customer.segment = 'private' and scores.amount_z < 2 and evidence_sum.amount < 20, verdict: dismiss}
      score: {model: risk@2, dismiss_below: 0.1, block_above: 0.9}
      llm:
        model: "${LLM_MODEL}"
        key: sk-literal
        prompt: p.md
        fields: [country, steps, reasons, enrichment.customer.segment]
        verdicts: [dismiss, block, escalate]
        reason_codes: [travel, unclear]
        budget: {per_day: 5 EUR, calls_per_hour: 200, tokens_per_call: 1500, timeout: 8s, per_pattern: {default: 1 EUR per day}}
      human: {levels: [{to: analysts, within: 15m}], quiet_hours: {not_in: office}, default: block}
      actions:
        block: [{webhook: core, undo: {webhook: core}}, {notify: analysts}, {topic: decisions}]
    b: {actions: {default: [{notify: analysts}]}}
  prices: {small-model: {input_per_million: 0.4, output_per_million: 1.6}}
  retention: {flags: 400d, audit: 7y}
"""


def test_a_whole_section(tmp_path: Path) -> None:
    """Defaults are filled in; the verdict without people is ``default``."""
    found = load(written(tmp_path, HEAD + GOOD)).respond
    assert found is not None
    a, b = found.responders.values()
    assert [rule.hard for rule in a.rules] == [True, False]
    assert a.score is not None and a.score.above == ("block", 0.9)
    assert (a.default, b.default, b.actions_of("default")[0].kind) == ("block", "default", "notify")
    assert a.actions_of("block")[0].undo is not None and a.actions_of("dismiss") == ()
    assert found.prices["small-model"].input_nano == 400 and found.currency == "EUR"
    assert found.retention.audit == 7 * 365 * 86_400_000_000 and found.registry == str(tmp_path / "models")


def test_secrets_stay_out_of_texts(tmp_path: Path) -> None:
    """References are kept as written; what stands in the file itself is masked."""
    found = load(written(tmp_path, HEAD + GOOD))
    assert "${CORE_SECRET}" in found.text and "sk-literal" not in found.text + repr(found)


def test_what_decides_changes_the_version(tmp_path: Path) -> None:
    """A rule, a prompt, a list."""

    def version(text: str, *, prompt: str = "Decide.\n") -> str:
        path = written(tmp_path, HEAD + text)
        (tmp_path / "p.md").write_text(prompt)
        found = load(path).respond
        assert found is not None
        return found.version

    versions = [version(GOOD), version(GOOD), version(GOOD.replace("z < 2", "z < 3")), version(GOOD, prompt="Decide well.\n")]
    assert versions[0] == versions[1] and len(set(versions)) == 3


def test_texts_of_the_environment(tmp_path: Path) -> None:
    """A default, a file, and one that is missing."""
    (tmp_path / "s").write_text("whsec\n")
    place = Position("app.yaml", 3, 5)
    assert EnvText(f"${{A}}-${{B:-b}}-${{file:{tmp_path / 's'}}}", place).resolve({"A": "a"}) == "a-b-whsec"
    with pytest.raises(ApplicationErrors, match="app.yaml:3:5: expected the environment variable A; it is not set"):
        EnvText("${A}", place).resolve({})
    with pytest.raises(ApplicationErrors, match="app.yaml:3:5: /nowhere/s: cannot be read: No such file"):
        EnvText("${file:/nowhere/s}", place).resolve({})


def test_money() -> None:
    """Amounts read and shown."""
    assert parse_money("5 EUR") == (5_000_000_000, "EUR", None)
    assert parse_money("0.25 USD per hour") == (250_000_000, "USD", "hour")
    assert parse_money("5") is None and parse_money("5 EUR per week") is None
    assert [money_text(5_000_000_000, "EUR"), money_text(-1, "EUR")] == ["5.00 EUR", "-0.000000001 EUR"]
