"""What a model may answer, asked for as a JSON schema and always checked here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.llm.failures import Failure
from agents.llm.masking import unknown_tokens

LONGEST_SENTENCE = 400
_ADDRESS = re.compile(r"https?://|www\.", re.IGNORECASE)


class Answer(BaseModel):
    """A model's answer; ``evidence`` are the short names under which events were shown."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    verdict: str
    reason_codes: list[str] = Field(max_length=20)
    evidence: list[str] = Field(max_length=100)
    confidence: float = Field(ge=0, le=1, allow_inf_nan=False)
    sentence: str = Field(min_length=1, max_length=LONGEST_SENTENCE)


@dataclass(frozen=True, slots=True)
class Choices:
    """The verdicts and reason codes among which a model may choose."""

    verdicts: tuple[str, ...]
    reason_codes: tuple[str, ...]

    def schema(self, evidence: Iterable[str]) -> dict[str, Any]:
        """The strict JSON schema of an answer, of words that every provider of structured output knows."""
        text: dict[str, Any] = {"type": "string"}
        properties = {
            "verdict": _one_of(self.verdicts),
            "reason_codes": {"type": "array", "items": _one_of(self.reason_codes)},
            "evidence": {"type": "array", "items": _one_of(evidence)},
            "confidence": {"type": "number"},
            "sentence": text,
        }
        return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _one_of(words: Iterable[str]) -> dict[str, Any]:
    listed = list(words)
    return {"type": "string", "enum": listed} if listed else {"type": "string"}


def read_answer(
    text: str, choices: Choices, evidence: Iterable[str], tokens: Mapping[str, str], mark: str = ""
) -> Answer | Failure:
    """A model's text as an answer, or why it is none: ``schema`` for its form, ``semantic`` for what it says."""
    try:
        found = json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_no_constant)
        answer = Answer.model_validate(found)
    except ValidationError as error:
        return Failure("schema", "; ".join(_problem(each) for each in error.errors()[:5]))
    except (ValueError, RecursionError) as error:
        return Failure("schema", f"expected one JSON object; {str(error)[:200]}")
    problems = [*_problems(answer, choices, set(evidence), tokens, mark)]
    return Failure("semantic", "; ".join(problems)) if problems else answer


def _problems(answer: Answer, choices: Choices, evidence: set[str], tokens: Mapping[str, str], mark: str) -> Iterable[str]:
    if answer.verdict not in choices.verdicts:
        yield f"verdict: expected one of {', '.join(choices.verdicts)}; found {answer.verdict[:40]!r}"
    for code in answer.reason_codes:
        if code not in choices.reason_codes:
            yield f"reason_codes: expected some of {', '.join(choices.reason_codes)}; found {code[:40]!r}"
    for name in answer.evidence:
        if name not in evidence:
            yield f"evidence: expected names of events that were shown; found {name[:40]!r}"
    if unknown := unknown_tokens(answer.sentence, tokens):
        yield f"sentence: {', '.join(unknown)} stand for nothing in this case"
    if "\n" in answer.sentence.strip() or not answer.sentence.strip():
        yield "sentence: expected one sentence on one line"
    if _ADDRESS.search(answer.sentence):
        yield "sentence: expected no address in it"
    if mark and mark in answer.sentence:
        yield "sentence: expected it without the mark of this call"


def _problem(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    return f"{where}: {error['msg']}" if where else str(error["msg"])


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands in it twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
