"""The live gateway against a server that does what servers do."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from openai import AsyncOpenAI, DefaultAsyncHttpx2Client

from agents.llm.answer import Choices
from agents.llm.breaker import Breaker
from agents.llm.failures import Failure
from agents.llm.gateway import LiveGateway, live_client
from agents.llm.reply import Reply
from agents.llm.request import Request
from tests.agents.llm.scripted import Behaviour, Running, answering, completion, cut, drip, good, hang, in_turn

CHOICES = Choices(("dismiss", "block"), ("travel",))
REQUEST = Request("m", ({"role": "user", "content": "x"},), CHOICES.schema(["e1"]), {"temperature": 0}, 500, 100, "sha")


def ask(behaviour: Behaviour, seconds: float = 5.0, times: int = 1, gateway: list[LiveGateway] | None = None) -> Any:
    """The last of so many requests' results, and how many the server saw."""

    async def run(url: str) -> Any:
        async with DefaultAsyncHttpx2Client(follow_redirects=False) as http:
            live = LiveGateway(AsyncOpenAI(api_key="k", base_url=url, max_retries=0, http_client=http), lambda: 0)
            if gateway is not None:
                gateway.append(live)
            for _ in range(times):
                result = await live.ask(REQUEST, seconds)
            return result

    with Running(behaviour) as server:
        return asyncio.run(run(server.url)), server


def test_an_answer() -> None:
    result, server = ask(answering(completion(good())))
    assert isinstance(result, Reply) and result.failure is None
    assert (result.usage.tokens_in, result.usage.tokens_out, result.model, result.fingerprint) == (300, 40, "served-model", "fp1")
    sent = server.bodies[0]
    assert sent["max_tokens"] == 100 and sent["response_format"]["json_schema"]["strict"] is True and "tools" not in sent


@pytest.mark.parametrize(
    ("behaviour", "kind", "unbilled"),
    [
        (answering({"error": {"message": "slow down"}}, 429, {"retry-after": "7"}), "rate_limit", True),
        (answering({"error": {"message": "no", "code": "insufficient_quota"}}, 429), "budget", True),
        (answering({"error": {"message": "pay"}}, 402), "budget", True),
        (answering({"error": {"message": "broken"}}, 500), "unavailable", False),
        (answering({"error": {"message": "maximum context length is 4096"}}, 400), "context", True),
        (answering({"error": {"message": "who are you"}}, 401), "rejected", True),
        (answering(b"", 302, {"location": "http://127.0.0.1:1/elsewhere"}), "rejected", True),
        (cut, "unavailable", False),
    ],
    ids=["429", "quota", "402", "500", "context", "401", "redirect", "cut"],
)
def test_errors(behaviour: Behaviour, kind: str, unbilled: bool) -> None:
    result, server = ask(behaviour)
    assert isinstance(result, Failure) and (result.kind, result.unbilled) == (kind, unbilled), result
    assert len(server.received) == 1, "the client must not try again by itself"


@pytest.mark.parametrize("behaviour", [hang, drip], ids=["hang", "drip"])
def test_the_deadline_holds(behaviour: Behaviour) -> None:
    result, server = ask(behaviour, 0.3)
    assert isinstance(result, Failure) and result.kind == "timeout" and not result.unbilled
    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (completion(None, refusal="I will not"), "refusal"),
        (completion('{"verdict": "bl', finish="length"), "length"),
        (completion("", finish="content_filter"), "content_filter"),
        (completion(""), "schema"),
        ({"error": "odd"}, "schema"),
        (b"<html>", "schema"),
        (b"[1]", "schema"),
    ],
    ids=["refusal", "length", "content_filter", "empty", "no_choices", "html", "list"],
)
def test_no_answers(body: Any, kind: str) -> None:
    result, _ = ask(answering(body))
    assert result.failure.kind == kind


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": -1, "completion_tokens": 1}, {"prompt_tokens": 10**12, "completion_tokens": 1},
                                   {"prompt_tokens": "300", "completion_tokens": 1}, {"prompt_tokens": True, "completion_tokens": 1}])  # fmt: skip
def test_wrong_usage_is_no_usage(usage: Any) -> None:
    result, _ = ask(answering({**completion(good()), "usage": usage}))
    assert result.failure is None and result.usage is None


def test_endless_answer() -> None:
    result, _ = ask(answering(b" " * 2_000_000))
    assert isinstance(result, Failure) and result.kind == "schema"


def test_nobody_there() -> None:
    async def run() -> Any:
        async with DefaultAsyncHttpx2Client() as http:
            live = LiveGateway(
                AsyncOpenAI(api_key="k", base_url="http://127.0.0.1:9/v1", max_retries=0, http_client=http), lambda: 0
            )
            return await live.ask(REQUEST, 5)

    result = asyncio.run(run())
    assert (result.kind, result.unbilled) == ("unavailable", True)


def test_breaker_opens_on_failures_and_rests_as_asked() -> None:
    made: list[LiveGateway] = []
    ask(answering({"error": {}}, 500), times=5, gateway=made)
    assert made[0].refuses("m") is not None and made[0].refuses("other") is None
    ask(in_turn(answering({"error": {}}, 429, {"retry-after": "7"})), gateway=made)
    assert made[1].breaker("m").ready_at() == 7_000_000


def test_own_cancellation_is_nobodys_fault() -> None:
    async def run(url: str) -> Breaker:
        async with DefaultAsyncHttpx2Client() as http:
            live = LiveGateway(AsyncOpenAI(api_key="k", base_url=url, max_retries=0, http_client=http), lambda: 0)
            live.breakers["m"] = Breaker(failures=1)
            task = asyncio.create_task(live.ask(REQUEST, 5))
            while not server.received:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return live.breaker("m")

    with Running(hang) as server:
        assert asyncio.run(run(server.url)).state(0) == "closed"


def test_admission() -> None:
    async def run() -> list[Any]:
        live = LiveGateway(AsyncOpenAI(api_key="k", base_url="http://127.0.0.1:9/v1"), lambda: 0, 2, 1000)
        return [
            await live.admit("m", 2000, 0.05),
            await live.admit("m", 10, 0.05),
            await live.admit("m", 10, 0.05),
            await live.admit("m", 10, 0.05),
            await live.admit("n", 10, 0.05),
        ]

    found = asyncio.run(run())
    assert [each and each.kind for each in found] == ["rate_limit", None, None, "rate_limit", None]


def test_no_key_no_client() -> None:
    assert live_client({}) is None and live_client({"OPENAI_API_KEY": " "}) is None
    client = live_client({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"})
    assert client is not None and client.max_retries == 0 and str(client.base_url) == "http://127.0.0.1:9/v1/"
