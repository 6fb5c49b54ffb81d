"""Servers that refuse a Kafka client: one that speaks only TLS, one that takes no password."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from pathlib import Path

CERTIFICATE = Path(__file__).parent / "certificate.pem"
"""Signed by itself, for these tests only."""
_API_VERSIONS, _HANDSHAKE, _AUTHENTICATE = 18, 17, 36


class Server:
    """Handles each connection of a free port of loopback in a thread."""

    def __init__(self, handle: Callable[[socket.socket], None]) -> None:
        self.handle = handle
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._handle, args=(client,), daemon=True).start()

    def _handle(self, client: socket.socket) -> None:
        try:
            self.handle(client)
        except OSError:
            pass
        finally:
            client.close()


def tls(client: socket.socket) -> None:
    """Shake hands, and no more."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    with context.wrap_socket(client, server_side=True) as safe:
        safe.recv(1)


def asking(client: socket.socket) -> None:
    """Ask for a certificate, which TLS 1.3 misses only once the client is done with its part."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    context.load_verify_locations(CERTIFICATE)
    context.verify_mode = ssl.CERT_REQUIRED
    with context.wrap_socket(client, server_side=True) as safe:
        safe.recv(1)


def plaintext(client: socket.socket) -> None:
    """Hang up on what is no request, as Kafka does: a TLS greeting looks like one of 369 MB."""
    client.recv(1_000)


def no_password(client: socket.socket) -> None:
    """Kafka's protocol as far as the login, which fails (SASL_AUTHENTICATION_FAILED)."""
    stream = client.makefile("rb")
    while size := stream.read(4):
        request = stream.read(struct.unpack(">i", size)[0])
        api, version, correlation = struct.unpack(">hhi", request[:8])
        body = struct.pack(">i", correlation) + _answer(api, version)
        client.sendall(struct.pack(">i", len(body)) + body)


def _answer(api: int, version: int) -> bytes:
    known = [(_API_VERSIONS, 0, 0), (_HANDSHAKE, 0, 1), (_AUTHENTICATE, 0, 0), (3, 0, 1)]
    if api == _API_VERSIONS:
        unsupported = 35 if version > 0 else 0
        return struct.pack(">hi", unsupported, len(known)) + b"".join(struct.pack(">hhh", *each) for each in known)
    if api == _HANDSHAKE:
        return struct.pack(">hi", 0, 1) + _text(b"PLAIN")
    return struct.pack(">h", 58) + _text(b"Authentication failed: wrong user or password") + struct.pack(">i", 0)


def _text(value: bytes) -> bytes:
    return struct.pack(">h", len(value)) + value
