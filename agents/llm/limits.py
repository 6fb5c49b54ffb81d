"""Requests and tokens a minute, of one model at one endpoint, in this process."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiolimiter import AsyncLimiter

from agents.llm.failures import Failure


@dataclass(slots=True)
class Limits:
    """None: unlimited."""

    requests: AsyncLimiter | None = None
    tokens: AsyncLimiter | None = None

    @classmethod
    def per_minute(cls, requests: int | None, tokens: int | None) -> Limits:
        """Leaky buckets that hold a minute's worth."""
        return cls(AsyncLimiter(requests, 60) if requests else None, AsyncLimiter(tokens, 60) if tokens else None)

    async def take(self, tokens: int, seconds: float) -> Failure | None:
        """Wait for a request of so many tokens to fit, for at most ``seconds``; or say why it will not."""
        if self.tokens is not None and tokens > self.tokens.max_rate:
            return Failure(
                "rate_limit", f"the request takes {tokens} tokens, more than {self.tokens.max_rate:g} a minute", unbilled=True
            )
        try:
            async with asyncio.timeout(seconds):
                if self.requests is not None:
                    await self.requests.acquire()
                if self.tokens is not None:
                    await self.tokens.acquire(tokens)
        except TimeoutError:
            return Failure("rate_limit", f"no place among the requests or tokens a minute within {seconds:g} s", unbilled=True)
        return None
