"""One attempt at real receivers on loopback: what comes of each answer."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
import ssl
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import trustme

from agents.effects.destinations import Resolve
from agents.effects.outcome import Outcome
from agents.effects.signing import verify
from agents.effects.target import Target
from agents.effects.webhook import Webhooks
from tests.agents.messages import NOW, SECRET, message
from tests.agents.receiver import Answer, receiving

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
SECOND = 1_000_000


def _to(url: str, **fields: Any) -> Target:
    return Target("bank", url, secrets=(SECRET,), **{"private": LOOPBACK, "timeout": 10 * SECOND, **fields})


def _send(target: Target, webhooks: Webhooks | None = None, times: int = 1) -> Outcome:
    async def main() -> Outcome:
        sender = webhooks or Webhooks()
        for _ in range(times):
            outcome = await sender.send(message(), target, NOW)
        await sender.close()
        return outcome

    return asyncio.run(main())


def _at(*addresses: str) -> Resolve:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return resolve


def test_a_request_is_signed_keyed_and_traced() -> None:
    with receiving() as receiver:
        assert _send(_to(receiver.url), times=2) == Outcome("ok", 200)
    first, second = receiver.requests
    assert verify([SECRET], first.headers, first.body, NOW) == "ok"
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == first.headers["idempotency-key"] == "5f0e"
    assert first.headers["traceparent"] == message().traceparent
    assert first.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert json.loads(first.body)["id"] == "5f0e"


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (Answer(204), "ok"),
        (Answer(400, body=b"bad\n\x1b[31mfield"), "refused"),
        (Answer(410), "gone"),
        (Answer(500), "failed"),
        (Answer(503), "failed"),
    ],
)
def test_answers(answer: Answer, name: str) -> None:
    with receiving(lambda request: answer) as receiver:
        found = _send(_to(receiver.url))
    assert (found.name, found.status) == (name, answer.status)
    assert "\x1b" not in found.detail


def test_redirects_are_not_followed() -> None:
    with receiving(lambda request: Answer(302, {"location": "/elsewhere"})) as receiver:
        assert _send(_to(receiver.url)).name == "redirect"
    assert [request.path for request in receiver.requests] == ["/hook"]


@pytest.mark.parametrize("status", [429, 502, 504])
def test_throttling_says_how_long(status: int) -> None:
    with receiving(lambda request: Answer(status, {"retry-after": "7"})) as receiver:
        assert _send(_to(receiver.url)) == Outcome("throttled", status, 7 * SECOND)


def test_an_answer_that_does_not_come_ends_in_time() -> None:
    with receiving() as receiver:
        receiver.answer = lambda request: Answer(200 if receiver.gate.wait(30) else 500)
        found = _send(_to(receiver.url, timeout=SECOND // 5))
    assert (found.name, found.detail) == ("timeout", "no answer within 0.2 s")


def test_an_endless_answer_is_not_read_to_its_end() -> None:
    with receiving(lambda request: Answer(200, body=b"x" * 5_000_000)) as receiver:
        assert len(_send(_to(receiver.url)).detail) <= 200


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        found = _send(_to(f"http://127.0.0.1:{taken.getsockname()[1]}/"))
    assert found.name == "connect"


def test_a_connection_that_is_cut() -> None:
    async def main() -> Outcome:
        async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10)
            writer.close()

        server = await asyncio.start_server(cut, "127.0.0.1", 0)
        sender = Webhooks()
        found = await sender.send(message(), _to(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"), NOW)
        await sender.close()
        server.close()
        return found

    assert asyncio.run(main()).name == "failed"


def test_names_that_lead_inside_are_not_reached() -> None:
    with receiving() as receiver:
        for resolving in (_at("127.0.0.1"), _at("93.184.216.34", "127.0.0.1")):
            found = _send(_to(f"http://evil.example:{receiver.port}/", private=()), Webhooks(resolving=resolving))
            assert found.name == "private_address"
        assert _send(_to(receiver.url, private=())).name == "private_address"
    assert receiver.requests == []


def test_the_connection_goes_to_the_address_that_was_looked_at() -> None:
    """A name is looked up once an attempt: what it turns to afterwards is never asked."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    with receiving() as receiver:
        assert _send(_to(f"http://bank.example:{receiver.port}/hook"), Webhooks(resolving=resolve)).ok
    assert asked == ["bank.example"]
    assert receiver.requests[0].headers["host"] == f"bank.example:{receiver.port}"


def test_a_second_address_is_tried_when_the_first_takes_no_connection() -> None:
    with receiving() as receiver:
        assert _send(_to(f"http://bank.example:{receiver.port}/"), Webhooks(resolving=_at("127.0.0.9", "127.0.0.1"))).ok


def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as proxy, receiving() as receiver:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        assert _send(_to(receiver.url)).ok
    assert proxy.requests == []


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def _server(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def _trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_tls_checks_the_name_not_the_address(authority: trustme.CA) -> None:
    with receiving(tls=_server(authority, "bank.example")) as receiver:
        right, wrong = (_to(f"https://{host}:{receiver.port}/") for host in ("bank.example", "other.example"))
        trusting = lambda: Webhooks(lambda: _trusting(authority), _at("127.0.0.1"))  # noqa: E731
        assert _send(right, trusting()).ok
        found = _send(wrong, trusting())
        assert found.name == "tls" and "other.example" in found.detail
        assert _send(right, Webhooks(resolving=_at("127.0.0.1"))).name == "tls"
    assert len(receiver.requests) == 1


def test_tls_where_nobody_speaks_it() -> None:
    with receiving() as receiver:
        assert _send(_to(receiver.url.replace("http:", "https:"))).name == "tls"


def test_formats_with_a_key_of_their_own_are_not_signed() -> None:
    with receiving() as receiver:
        assert _send(replace(_to(receiver.url), format="pagerduty")).ok
        assert _send(replace(_to(receiver.url), format="pagerduty", secrets=())).name == "not_possible"
    assert "webhook-signature" not in receiver.requests[0].headers
    assert SECRET not in repr(_to(receiver.url))
