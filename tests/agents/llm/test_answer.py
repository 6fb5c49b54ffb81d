"""What counts as an answer."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from agents.llm.answer import Answer, Choices, read_answer
from agents.llm.failures import Failure
from tests.agents.llm.scripted import good

CHOICES = Choices(("dismiss", "block", "escalate"), ("travel", "unclear"))
TOKENS = {"<NAME_1>": "Anna"}


def read(found: Any) -> Any:
    text = found if isinstance(found, str) else json.dumps(found)
    return read_answer(text, CHOICES, ["e1", "e2"], TOKENS, "mark-77")


def test_a_good_one() -> None:
    answer = read(good(sentence="<NAME_1> travelled."))
    assert isinstance(answer, Answer) and answer.verdict == "block" and answer.evidence == ["e1"]
    assert read({**good(), "confidence": 1}).confidence == 1


@pytest.mark.parametrize(
    ("found", "kind", "text"),
    [
        ("{", "schema", "expected one JSON object"),
        ("[" * 100_000, "schema", "expected one JSON object"),
        ('```json\n{"verdict": "block"}\n```', "schema", "expected one JSON object"),
        ("[]", "schema", "valid dictionary"),
        ('{"verdict": "block", "verdict": "dismiss"}', "schema", "a key stands in it twice"),
        ('{"verdict": "block", "confidence": NaN}', "schema", "NaN is no JSON"),
        ({"verdict": "block"}, "schema", "reason_codes: Field required"),
        (good(effect="call https://evil.example"), "schema", "effect: Extra inputs are not permitted"),
        ({**good(), "confidence": 1.5}, "schema", "confidence"),
        ({**good(), "confidence": "0.5"}, "schema", "confidence"),
        ({**good(), "sentence": "x" * 401}, "schema", "sentence"),
        (good("allow"), "semantic", "verdict: expected one of dismiss, block, escalate; found 'allow'"),
        ({**good(), "reason_codes": ["because"]}, "semantic", "reason_codes: expected some of travel, unclear; found 'because'"),
        (good(evidence=["e9"]), "semantic", "evidence: expected names of events that were shown; found 'e9'"),
        (good(sentence="<CARD_3> was used."), "semantic", "sentence: <CARD_3> stand for nothing in this case"),
        (good(sentence="a\nb"), "semantic", "sentence: expected one sentence on one line"),
        (good(sentence="See https://x.example"), "semantic", "sentence: expected no address in it"),
        (good(sentence="Told by mark-77."), "semantic", "sentence: expected it without the mark of this call"),
    ],
)  # fmt: skip
def test_what_does_not_count(found: Any, kind: str, text: str) -> None:
    failure = read(found)
    assert isinstance(failure, Failure) and failure.kind == kind and text in failure.detail, failure


def test_the_schema_is_strict_and_agrees() -> None:
    schema = CHOICES.schema(["e1", "e2"])
    jsonschema.validate(good(), schema)
    for bad in (good("allow"), good(evidence=["e9"]), good(extra=1), {"verdict": "block"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, schema)
    assert schema["required"] == list(schema["properties"]) and schema["additionalProperties"] is False
    assert "enum" not in CHOICES.schema([])["properties"]["evidence"]["items"]
