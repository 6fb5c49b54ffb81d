"""The one place from which a model is called."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import openai
from openai import AsyncOpenAI, DefaultAsyncHttpx2Client

from agents.llm.breaker import Breaker
from agents.llm.failures import Failure
from agents.llm.limits import Limits
from agents.llm.refused import connection_failure, status_failure
from agents.llm.reply import Reply, read_reply
from agents.llm.request import Request
from agents.telemetry import metrics

LONGEST_BODY = 1_000_000
"""Bytes of an answer that are read."""


@dataclass(slots=True)
class LiveGateway:
    """Calls an OpenAI-compatible endpoint. ``now``: microseconds since 1970."""

    client: AsyncOpenAI
    now: Callable[[], int]
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    breakers: dict[str, Breaker] = field(default_factory=dict)
    limits: dict[str, Limits] = field(default_factory=dict)

    @property
    def mode(self) -> str:
        """See ``Gateway``."""
        return "live"

    @property
    def endpoint(self) -> str:
        """The endpoint's address."""
        return str(self.client.base_url)

    @property
    def _cap(self) -> str:
        """How the endpoint calls the cap on an answer's tokens: OpenAI's reasoning models refuse the name that all others know."""
        return "max_completion_tokens" if self.client.base_url.host.endswith("openai.com") else "max_tokens"

    def breaker(self, model: str) -> Breaker:
        """A model's breaker."""
        return self.breakers.setdefault(model, Breaker())

    def refuses(self, model: str) -> Failure | None:
        """See ``Gateway``: an open breaker."""
        if self.breaker(model).state(self.now()) == "open":
            return Failure("breaker_open", f"{model} is not called after failures in a row, or as it asked", unbilled=True)
        return None

    async def admit(self, model: str, tokens: int, seconds: float) -> Failure | None:
        """See ``Gateway``: the breaker lets it through, and the limits a minute."""
        if failure := self.refuses(model):
            return failure
        if model not in self.limits:
            self.limits[model] = Limits.per_minute(self.requests_per_minute, self.tokens_per_minute)
        if failure := await self.limits[model].take(tokens, seconds):
            return failure
        if not self.breaker(model).allow(self.now()):
            return Failure("breaker_open", f"{model} is being tried by another call", unbilled=True)
        return None

    def leave(self, model: str) -> None:
        """See ``Gateway``."""
        self.breaker(model).given_up()

    async def ask(self, request: Request, seconds: float) -> Reply | Failure:
        """See ``Gateway``: at most ``seconds`` from the first byte out to the last byte in."""
        breaker = self.breaker(request.model)
        try:
            async with asyncio.timeout(seconds):
                result = await self._ask(request, seconds)
        except TimeoutError:
            result = Failure("timeout", f"no whole answer within {seconds:g} s")
        except BaseException:
            breaker.given_up()
            raise
        self._count(breaker, result)
        metrics.breaker(request.model, breaker.state(self.now()))
        return result

    async def _ask(self, request: Request, seconds: float) -> Reply | Failure:
        schema = {"name": "answer", "strict": True, "schema": dict(request.schema)}
        create: Any = self.client.chat.completions.with_streaming_response.create
        try:
            async with create(
                model=request.model,
                messages=list(request.messages),
                response_format={"type": "json_schema", "json_schema": schema},
                timeout=seconds,
                **{self._cap: request.most_out},
                **request.params,
            ) as response:
                body = b""
                async for piece in response.iter_bytes():
                    body += piece
                    if len(body) > LONGEST_BODY:
                        return Failure("schema", f"the answer is longer than {LONGEST_BODY} bytes")
        except openai.APIStatusError as error:
            return status_failure(error)
        except openai.APITimeoutError:
            return Failure("timeout", f"no answer within {seconds:g} s")
        except openai.APIConnectionError as error:
            return connection_failure(error)
        except openai.OpenAIError as error:
            return Failure("rejected", str(error)[:300], unbilled=True)
        except Exception as error:  # the HTTP client's own errors, while the body is read
            return connection_failure(error)
        return read_reply(body, request.most_in, request.most_out)

    def _count(self, breaker: Breaker, result: Reply | Failure) -> None:
        if isinstance(result, Failure) and result.kind in ("timeout", "unavailable"):
            breaker.failure(self.now())
        else:
            breaker.success()
        if isinstance(result, Failure) and result.retry_after is not None:
            breaker.pause(self.now() + result.retry_after)


def live_client(environment: Mapping[str, str] | None = None) -> AsyncOpenAI | None:
    """A client of OPENAI_BASE_URL with OPENAI_API_KEY, None without a key. It tries once and follows no redirect."""
    environment = os.environ if environment is None else environment
    key = environment.get("OPENAI_API_KEY", "").strip()
    if not key:
        return None
    http = DefaultAsyncHttpx2Client(follow_redirects=False)
    return AsyncOpenAI(
        api_key=key, base_url=environment.get("OPENAI_BASE_URL") or "https://api.openai.com/v1", max_retries=0, http_client=http
    )
