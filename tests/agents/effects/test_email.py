"""Mail to real servers on loopback."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from email import message_from_bytes, policy
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from agents.effects.email import Mail, composed
from agents.effects.outcome import Outcome
from agents.effects.target import Target
from tests.agents.messages import NOW, message

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


class _Box:
    """Keeps what it is sent."""

    def __init__(self, answer: str = "250 OK") -> None:
        self.answer, self.mails, self.peers = answer, [], []  # type: ignore[var-annotated]

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd names it
        self.mails.append(envelope)
        self.peers.append((session.ssl is not None, session.authenticated))
        return self.answer


class _Listening(Controller):
    """On a port that the machine chooses."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def _server(box: _Box, **options: Any) -> Iterator[int]:
    server = _Listening(box, hostname="127.0.0.1", port=0, **options)
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


async def _loopback(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"]


def _to(url: str, **fields: Any) -> Target:
    given: dict[str, Any] = {
        "sender": "tocsin@bank.example",
        "recipients": ("a@bank.example", "b@bank.example"),
        "private": LOOPBACK,
        "timeout": 10_000_000,
    }
    return Target("mail", url, **{**given, **fields})


def _send(target: Target, trust: Callable[[], ssl.SSLContext] = ssl.create_default_context) -> Outcome:
    return asyncio.run(Mail(trust, _loopback).send(message(), target, NOW))


def test_a_mail_says_what_happened_once() -> None:
    box = _Box()
    with _server(box) as port:
        assert _send(_to(f"smtp://mail.example:{port}")).ok
    [envelope] = box.mails
    mail = message_from_bytes(envelope.content, policy=policy.default)
    assert envelope.rcpt_tos == ["a@bank.example", "b@bank.example"]
    assert (mail["subject"], mail["message-id"]) == ("high: Takeover of <c-1> & more", "<5f0e@tocsin>")
    assert "decided: block by rule:sanctioned" in mail.get_content()


def test_no_payload_adds_headers() -> None:
    hostile = message()
    hostile.flag["data"]["pattern"]["title"] = "x\r\nBcc: evil@example.com"
    assert composed(hostile, _to("smtp://mail.example"), NOW)["bcc"] is None


def test_the_server_s_refusals() -> None:
    for answer, name in (("550 no", "refused"), ("451 later", "throttled")):
        with _server(_Box(answer)) as port:
            found = _send(_to(f"smtp://mail.example:{port}"))
        assert (found.name, found.status) == (name, int(answer[:3]))


def test_a_password_goes_over_tls_alone() -> None:
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("mail.example").configure_cert(server)
    authority.configure_trust(client)
    box = _Box()

    def accepted(*_: object) -> AuthResult:
        return AuthResult(success=True)

    with _server(box, tls_context=server, authenticator=accepted) as port:
        assert _send(_to(f"smtp://me:pass%40word@mail.example:{port}"), lambda: client).ok
        assert _send(_to(f"smtp://me:secret@other.example:{port}"), lambda: client).name == "tls"
    assert [tuple(map(bool, peer)) for peer in box.peers] == [(True, True)]
    with _server(_Box()) as port:
        assert _send(_to(f"smtp://me:secret@mail.example:{port}"), lambda: client).name == "refused"


def test_private_addresses_and_silence() -> None:
    assert _send(_to("smtp://mail.example", private=())).name == "private_address"
    assert _send(_to("smtp://mail.example:9")).name == "connect"
