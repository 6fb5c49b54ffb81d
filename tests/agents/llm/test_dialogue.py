"""What comes after which calls."""

from __future__ import annotations

from typing import Any

import pytest

from agents.llm.dialogue import Answered, Ask, Call, Wait, next_step
from agents.llm.failures import Failure

MODELS = ("small", "spare")


def failed(kind: Any, model: str = "small", purpose: Any = "ask", at: int = 0, refused: bool = False, **more: Any) -> Call:
    return Call(model, purpose, Failure(kind, "why", **more), "raw", at, refused)


def step(*calls: Call, models: tuple[str, ...] = MODELS, now: int = 10, deadline: int = 100) -> Any:
    found = next_step(calls, models, now, deadline)
    return (type(found).__name__, found.kind) if isinstance(found, Failure) else found


def test_begins_and_ends() -> None:
    assert step() == Ask("small")
    good = Call("small", "ask", None, "text")
    assert step(good) == Answered(good)
    assert step(now=100) == ("Failure", "timeout")


@pytest.mark.parametrize("kind", ["timeout", "unavailable", "rate_limit"])
def test_what_may_pass_is_tried_twice_then_by_another_model(kind: str) -> None:
    assert step(failed(kind)) == Ask("small")
    assert step(failed(kind), failed(kind)) == Ask("spare")
    assert step(failed(kind), failed(kind), models=("small",)) == ("Failure", kind)
    assert step(failed(kind), failed(kind), failed(kind, "spare"), failed(kind, "spare")) == ("Failure", kind)


def test_waits_as_asked_while_there_is_time() -> None:
    assert step(failed("rate_limit", at=5, retry_after=20)) == Wait(25)
    assert step(failed("rate_limit", at=5, retry_after=20), now=25) == Ask("small")
    assert step(failed("rate_limit", at=5, retry_after=200)) == Ask("spare")
    assert step(failed("timeout"), now=100) == ("Failure", "timeout")


def test_one_repair_in_all() -> None:
    bad = failed("schema")
    assert step(bad) == Ask("small", "repair", bad)
    assert step(bad, failed("semantic", purpose="repair")) == ("Failure", "semantic")
    assert step(bad, failed("timeout", purpose="repair")) == Ask("small", "repair", bad)
    assert step(bad, now=100) == ("Failure", "schema")


@pytest.mark.parametrize("kind", ["refusal", "length", "content_filter", "context"])
def test_what_no_other_try_mends(kind: str) -> None:
    assert step(failed(kind)) == ("Failure", kind)


@pytest.mark.parametrize("kind", ["budget", "breaker_open", "rejected", "rate_limit"])
def test_refused_goes_to_the_other_model(kind: str) -> None:
    assert step(failed(kind, refused=True)) == Ask("spare")
    assert step(failed(kind, refused=True), failed(kind, "spare", refused=True)) == ("Failure", kind)


def test_a_call_cut_by_a_crash_is_repeated_once() -> None:
    lost = failed("ambiguous")
    assert step(lost) == Ask("small")
    assert step(lost, lost) == ("Failure", "ambiguous")
    assert step(failed("schema"), failed("ambiguous", purpose="repair")) == Ask("small", "repair", failed("schema"))
