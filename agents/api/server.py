"""The API as a worker of the service, on loopback unless it is told otherwise."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import uvicorn

from agents.api.app import api
from agents.api.context import Context


class Server:
    """Listens from the start, answers while it runs; ``port`` is the one that it got where 0 was asked for.

    Raises:
        OSError: when the address cannot be listened on.
    """

    def __init__(self, context: Context, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=128)
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            api(context), log_config=None, access_log=False, lifespan="off", server_header=False, timeout_graceful_shutdown=3
        )
        self._server = _Quiet(config)

    async def run(self) -> None:
        """Answer until cancelled."""
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            self.close()

    async def drain(self) -> bool:
        """Nothing is ever due here."""
        return False

    def wake(self) -> None:
        """Nobody needs to tell it anything."""

    def close(self) -> None:
        """Let go of the port."""
        self._server.should_exit = True
        self._socket.close()


class _Quiet(uvicorn.Server):
    """Signals are the service's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None are taken."""
        yield
