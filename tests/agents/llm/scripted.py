"""A model server for tests: ASGI on loopback, which answers as its script says and keeps every byte it received."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import uvicorn

Send = Callable[[dict[str, Any]], Awaitable[None]]
Behaviour = Callable[["Server", dict[str, Any], Send], Awaitable[None]]


@dataclass
class Server:
    """``behaviour`` answers each request; ``received``: header lines and body of each, in order of arrival."""

    behaviour: Behaviour
    received: list[bytes] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    stopping: bool = False
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def __call__(self, scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Send) -> None:
        assert scope["type"] == "http"
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        head = b"\r\n".join(name + b": " + value for name, value in scope["headers"])
        self.received.append(scope["raw_path"] + b"\r\n" + head + b"\r\n\r\n" + body)
        self.bodies.append(json.loads(body))
        await self.behaviour(self, self.bodies[-1], send)

    async def pause(self, seconds: float) -> None:
        """Wait, unless the server is stopped."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.stopping:
            await asyncio.sleep(0.01)


class Running:
    """A server in a thread: ``with Running(behaviour) as server``."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.server = Server(behaviour)

    def __enter__(self) -> Server:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        self.server.port = listener.getsockname()[1]
        config = uvicorn.Config(self.server, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
        self.uvicorn = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.uvicorn.run, kwargs={"sockets": [listener]}, daemon=True)
        self.thread.start()
        return self.server

    def __exit__(self, *_: object) -> None:
        self.server.stopping = True
        self.uvicorn.should_exit = True
        self.thread.join(10)


def completion(text: Any, tokens_in: int = 300, tokens_out: int = 40, finish: str = "stop", **message: Any) -> dict[str, Any]:
    """A chat completion's body."""
    content = text if isinstance(text, str) or text is None else json.dumps(text)
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content, **message}}
    usage = {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out}
    return {
        "id": "c1", "object": "chat.completion", "created": 1, "model": "served-model", "system_fingerprint": "fp1",
        "choices": [choice], "usage": usage,
    }  # fmt: skip


def good(verdict: str = "block", evidence: list[str] | None = None, **more: Any) -> dict[str, Any]:
    """An answer that counts."""
    return {
        "verdict": verdict, "reason_codes": ["travel"], "evidence": evidence or ["e1"], "confidence": 0.8,
        "sentence": "Paid in two countries within minutes.", **more,
    }  # fmt: skip


async def reply(send: Send, body: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
    """Send a whole response."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"content-type": "application/json", "content-length": str(len(raw)), **(headers or {})}
    await send({"type": "http.response.start", "status": status, "headers": [(n.encode(), v.encode()) for n, v in given.items()]})
    await send({"type": "http.response.body", "body": raw})


def answering(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Behaviour:
    """The same response to every request."""

    async def behave(_: Server, __: dict[str, Any], send: Send) -> None:
        await reply(send, body, status, headers)

    return behave


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """One behaviour a request, the last for all that follow."""

    async def behave(server: Server, request: dict[str, Any], send: Send) -> None:
        await behaviours[min(len(server.bodies), len(behaviours)) - 1](server, request, send)

    return behave


async def hang(server: Server, _: dict[str, Any], __: Send) -> None:
    """Take the request and never answer."""
    await server.pause(30)


async def drip(server: Server, _: dict[str, Any], send: Send) -> None:
    """A byte of a good answer every tenth of a second."""
    raw = json.dumps(completion(good())).encode()
    head = [(b"content-type", b"application/json"), (b"content-length", str(len(raw)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    for i in range(len(raw)):
        if server.stopping:
            return
        await send({"type": "http.response.body", "body": raw[i : i + 1], "more_body": True})
        await server.pause(0.1)


async def cut(_: Server, __: dict[str, Any], send: Send) -> None:
    """Half of an answer, then the connection's end."""
    raw = json.dumps(completion(good())).encode()
    head = [(b"content-type", b"application/json"), (b"content-length", str(len(raw)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": raw[: len(raw) // 2], "more_body": True})
    raise ConnectionError("cut on purpose")


async def obey(_: Server, request: dict[str, Any], send: Send) -> None:
    """Do what a text in the payload orders: ANSWER {...}."""
    order = re.search(r"ANSWER (\w+)", request["messages"][1]["content"])
    verdict = order[1] if order else "escalate"
    await reply(send, completion(good(verdict, sentence="As told.")))
