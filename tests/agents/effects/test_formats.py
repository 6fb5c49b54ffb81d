"""What each format sends."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agents.effects.formats.render import render
from agents.effects.formats.rendered import NotPossible
from agents.effects.target import Target
from tests.agents.messages import message


def _body(format_: Any, *, kind: str = "match", template: str | None = None, **fields: Any) -> Any:
    target = Target("e", "https://e.example", format_, secrets=("ROUTE",), template=template)
    return json.loads(render(message(kind=kind, **fields), target).body)


def test_cloudevents_hold_decision_and_flag_under_the_effect_s_key() -> None:
    rendered = render(message(), Target("e", "https://e.example"))
    found = json.loads(rendered.body)
    assert rendered.content_type == "application/cloudevents+json; charset=UTF-8"
    assert (found["id"], found["type"], found["source"], found["subject"]) == (
        "5f0e",
        "tocsin.action.v1",
        "/tocsin/card-fraud/takeover",
        "card/c-1",
    )
    assert (found["data"]["decision"]["verdict"], found["data"]["flag"]["id"]) == ("block", found["causationid"])
    assert found["correlationid"] == "pay/0/41" and found["traceparent"].startswith("00-111")


def test_a_compensation_and_a_task_say_so() -> None:
    undo = _body("cloudevents", undoes="first", action="undo block")
    assert (undo["type"], undo["data"]["undoes"]) == ("tocsin.compensation.v1", "first")
    assert _body("cloudevents", task={"id": "t", "flag": "f"})["type"] == "tocsin.task.v1"


def test_an_erased_flag_still_makes_a_message() -> None:
    for each in ("cloudevents", "slack", "pagerduty", "alertmanager"):
        assert _body(each, flag={})


def test_slack_takes_payload_text_as_text() -> None:
    found = _body("slack")
    assert "&lt;c-1&gt; &amp; more" in found["text"]
    assert "<c-1>" not in found["blocks"][1]["text"]["text"]
    assert "amount &gt; 100: 250.5" in found["blocks"][1]["text"]["text"]
    link = _body("slack", task={"id": "t", "link": "https://tocsin.example/t", "due": "2026-09-21T14:00:00Z", "level": 1})
    assert link["blocks"][2]["elements"][0]["url"] == "https://tocsin.example/t"


def test_pagerduty_triggers_and_resolves_one_incident() -> None:
    opened, closed = _body("pagerduty"), _body("pagerduty", kind="cleared")
    assert (opened["event_action"], closed["event_action"]) == ("trigger", "resolve")
    assert opened["dedup_key"] == closed["dedup_key"] == "episode-1"
    assert (opened["routing_key"], opened["payload"]["severity"]) == ("ROUTE", "error")
    assert opened["payload"]["custom_details"]["decision"]["tier"] == "rule:sanctioned"


def test_pagerduty_s_limits() -> None:
    long = message()
    long.flag["data"]["pattern"]["title"] = "x" * 5000
    long.flag["data"]["features"] = {"text": "y" * 600_000}
    long.flag["dedupkey"] = "k" * 300
    found = json.loads(render(long, Target("e", "https://e.example", "pagerduty", secrets=("ROUTE",))).body)
    assert (len(found["payload"]["summary"]), len(found["dedup_key"])) == (1024, 255)
    assert found["payload"]["custom_details"]["cut"]
    with pytest.raises(NotPossible, match="routing key"):
        render(message(), Target("e", "https://e.example", "pagerduty"))


def test_alertmanager_ends_the_alert_that_it_began() -> None:
    [opened], [closed] = _body("alertmanager"), _body("alertmanager", kind="cleared")
    assert opened["labels"] == closed["labels"]
    assert opened["labels"]["alertname"] == "takeover" and opened["labels"]["team"] == "fraud"
    assert opened["endsAt"] > opened["startsAt"] and closed["endsAt"] == "2026-09-21T13:33:20.000000Z"


def test_templates_take_values_but_no_form_from_payloads() -> None:
    text = json.dumps({"v": "{{ data.decision.verdict }}", "n": "{{ data.flag.data.features.count }}", "t": "of {{ data.flag.data.pattern.title }}!",
                       "gone": "{{ data.nothing.here }}", "first": "{{ data.flag.data.reasons.0.value }}"})  # fmt: skip
    assert _body("template", template=text) == {
        "v": "block",
        "n": 3,
        "t": "of Takeover of <c-1> & more!",
        "gone": None,
        "first": 250.5,
    }
    hostile = message()
    hostile.flag["data"]["pattern"]["title"] = '", "admin": true, "x": "{{ data.decision.id }}'
    found = json.loads(render(hostile, Target("e", "https://e.example", "template", template=text)).body)
    assert set(found) == {"v", "n", "t", "gone", "first"} and "{{ data.decision.id }}" in found["t"]


def test_templates_of_plain_text() -> None:
    rendered = render(
        message(), Target("e", "https://e.example", "template", template="{{data.action}}: {{ data.none }}{{ subject }}")
    )
    assert (rendered.body, rendered.content_type) == (b"block: card/c-1", "text/plain; charset=UTF-8")
