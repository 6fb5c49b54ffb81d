"""Mail by SMTP: to the address that was looked at, encrypted wherever the server can, always where there is a password."""

from __future__ import annotations

import asyncio
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import unquote, urlsplit

from agents.effects.destinations import Destination, Refused, Resolve, destination, resolve
from agents.effects.message import Message
from agents.effects.outcome import Outcome
from agents.effects.target import Target

_SECOND = 1_000_000
_TEMPORARY = range(400, 500)


class Mail:
    """Sends one message after another, each over a connection of its own, in a thread."""

    def __init__(self, trust: Callable[[], ssl.SSLContext] = ssl.create_default_context, resolving: Resolve = resolve) -> None:
        self._trust = trust
        self._resolving = resolving

    async def send(self, message: Message, target: Target, now: int) -> Outcome:
        """Try once; never raises for what the other side does. now: microseconds, for the date."""
        try:
            where = await destination(target.url, target.private, self._resolving)
        except Refused as refused:
            return Outcome(refused.reason, detail=refused.detail)
        return await asyncio.to_thread(self._deliver, composed(message, target, now), target, where)

    def _deliver(self, mail: EmailMessage, target: Target, where: Destination) -> Outcome:
        try:
            with _session(target, where, self._trust()) as server:
                server.send_message(mail)
        except smtplib.SMTPResponseException as error:
            return _answered(error.smtp_code, error.smtp_error)
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            return _answered(code, text)
        except smtplib.SMTPNotSupportedError as error:
            return Outcome("refused", detail=str(error))
        except ssl.SSLError as error:
            return Outcome("tls", detail=f"TLS: {getattr(error, 'verify_message', '') or error.reason or 'the handshake failed'}")
        except TimeoutError:
            return Outcome("timeout", detail=f"no answer within {target.timeout / _SECOND:g} s")
        except (OSError, smtplib.SMTPException) as error:
            return Outcome("connect", detail=f"no mail server answers there: {type(error).__name__}")
        return Outcome("ok", 250)


def composed(message: Message, target: Target, now: int) -> EmailMessage:
    """The mail; its Message-ID is the effect's key, so that a repeated one can be told."""
    mail = EmailMessage()
    mail["From"], mail["To"] = target.sender, ", ".join(target.recipients)
    mail["Subject"] = " ".join(f"{message.severity}: {message.title}".split())
    mail["Date"] = format_datetime(datetime.fromtimestamp(now // _SECOND, UTC))
    mail["Message-ID"] = f"<{message.key}@tocsin>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content("\n".join(_lines(message)))
    return mail


def _lines(message: Message) -> Iterator[str]:
    data = message.flag.get("data", {})
    yield message.title
    yield f"{message.flag.get('subject', '')} at {message.flag.get('time', '')}"
    yield f"action: {message.action}"
    if message.decision:
        yield f"decided: {message.decision.get('verdict')} by {message.decision.get('tier')}"
    for reason in data.get("reasons", []):
        yield f"because {' '.join(str(reason.get('expression')).split())}: {reason.get('value')}"
    if message.task.get("link"):
        yield f"answer: {message.task['link']} by {message.task.get('due', '')}"
    if message.pattern.get("runbook"):
        yield f"what to do: {message.pattern['runbook']}"
    yield f"flag {message.flag_id}"


def _session(target: Target, where: Destination, trust: ssl.SSLContext) -> smtplib.SMTP:
    """A session with the first address that takes a connection, encrypted and signed in."""
    url = urlsplit(target.url)
    server = _Direct(where, target.timeout / _SECOND, trust if url.scheme == "smtps" else None)
    try:
        server.connect(where.host, where.port)
        server.ehlo_or_helo_if_needed()
        if url.scheme == "smtp" and (url.password or server.has_extn("starttls")):
            server.starttls(context=trust)
        if url.username:
            server.login(unquote(url.username), unquote(url.password or ""))
    except BaseException:
        server.close()
        raise
    return server


class _Direct(smtplib.SMTP):
    """SMTP to addresses that were looked at, under the host's name."""

    def __init__(self, where: Destination, timeout: float, trust: ssl.SSLContext | None) -> None:
        super().__init__(timeout=timeout)
        self._where = where
        self._trust = trust
        self._host = where.host  # whom the certificate must name

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        for last, address in enumerate(self._where.addresses, 1 - len(self._where.addresses)):
            try:
                found = socket.create_connection((address, port), timeout)
            except OSError:
                if last == 0:
                    raise
                continue
            return found if self._trust is None else self._trust.wrap_socket(found, server_hostname=self._where.host)
        raise OSError("no address")


def _answered(code: int, text: bytes | str) -> Outcome:
    shown = " ".join((text if isinstance(text, str) else text.decode(errors="replace")).split())[:200]
    return Outcome(
        "throttled" if code in _TEMPORARY else "refused", code, None, "".join(each for each in shown if each.isprintable())
    )
