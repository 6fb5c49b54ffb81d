"""One POST to an endpoint: signed, to the address that was looked at, without redirects or proxies."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping

import httpx2

from agents.effects.destinations import Destination, Refused, Resolve, destination, resolve
from agents.effects.formats.render import render
from agents.effects.formats.rendered import NotPossible, Rendered
from agents.effects.message import Message
from agents.effects.outcome import Outcome, answered
from agents.effects.schedule import retry_after
from agents.effects.signing import signed
from agents.effects.target import Target

_SECOND = 1_000_000
_READ = 2_048
"""Bytes of an answer that are read; the rest says nothing to us."""
_SHOWN = 200


class Webhooks:
    """Clients by endpoint: a connection is never shared by hosts, though they have one address.

    trust: makes the TLS context; resolving: looks hosts up.
    """

    def __init__(self, trust: Callable[[], ssl.SSLContext] = ssl.create_default_context, resolving: Resolve = resolve) -> None:
        self._trust = trust
        self._resolving = resolving
        self._clients: dict[str, httpx2.AsyncClient] = {}

    async def send(self, message: Message, target: Target, now: int) -> Outcome:
        """Try once; never raises for what the other side does.

        now: microseconds, for the signature.
        """
        try:
            async with asyncio.timeout(target.timeout / _SECOND):
                rendered = render(message, target)
                where = await destination(target.url, target.private, self._resolving)
                return await self._reach(message, target, where, rendered, now)
        except TimeoutError:
            return Outcome("timeout", detail=f"no answer within {target.timeout / _SECOND:g} s")
        except NotPossible as problem:
            return Outcome("not_possible", detail=str(problem))
        except Refused as refused:
            return Outcome(refused.reason, detail=refused.detail)

    async def close(self) -> None:
        """Let go of all connections."""
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()

    async def _reach(self, message: Message, target: Target, where: Destination, rendered: Rendered, now: int) -> Outcome:
        """The first address that takes a connection; nothing was sent to the others."""
        headers = _headers(message, target, where, rendered, now)
        outcome = Outcome("connect")
        for address in where.addresses:
            try:
                return await self._post(target, where, address, rendered.body, headers, now)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                outcome = _unreached(error)
            except httpx2.HTTPError as error:
                return Outcome("failed", detail=f"the connection broke: {type(error).__name__}")
        return outcome

    async def _post(
        self, target: Target, where: Destination, address: str, body: bytes, headers: Mapping[str, str], now: int
    ) -> Outcome:
        url = httpx2.URL(target.url).copy_with(host=address)
        extensions = {"sni_hostname": where.host}  # the certificate must be the host's, whatever its address
        client = self._client(target.name)
        async with client.stream("POST", url, content=body, headers=dict(headers), extensions=extensions) as answer:
            text = await _beginning(answer)
            return answered(answer.status_code, retry_after(answer.headers.get("retry-after"), now), text)

    def _client(self, name: str) -> httpx2.AsyncClient:
        found = self._clients.get(name)
        if found is None:
            limits = httpx2.Limits(max_connections=64, max_keepalive_connections=16, keepalive_expiry=5)
            found = httpx2.AsyncClient(
                verify=self._trust(), trust_env=False, follow_redirects=False, timeout=None, limits=limits
            )  # the time limit is ours, over name look-up, connection and answer together
            self._clients[name] = found
        return found


def _headers(message: Message, target: Target, where: Destination, rendered: Rendered, now: int) -> dict[str, str]:
    url = httpx2.URL(target.url)
    host = f"[{where.host}]" if ":" in where.host else where.host
    headers = {
        "host": f"{host}:{url.port}" if url.port else host,
        "content-type": rendered.content_type,
        "user-agent": "Tocsin",
        "idempotency-key": message.key,
        **rendered.headers,
        **signed(target.secrets if target.signs else (), message.key, now, rendered.body),
    }
    if message.traceparent:
        headers["traceparent"] = message.traceparent
    return headers


def _unreached(error: Exception) -> Outcome:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            reason = getattr(cause, "verify_message", "") or cause.reason or "the handshake failed"
            return Outcome("tls", detail=f"TLS: {reason}")
        cause = cause.__cause__ or cause.__context__
    return Outcome("connect", detail="no connection: nobody listens there, or it was cut")


async def _beginning(answer: httpx2.Response) -> str:
    """The answer's first bytes, printable, for people to read."""
    kept = b""
    async for part in answer.aiter_raw():
        kept += part
        if len(kept) >= _READ:
            break
    text = " ".join(kept[:_READ].decode(errors="replace").split())
    return "".join(each for each in text if each.isprintable())[:_SHOWN]
