"""A port of loopback that leads to another one as long as it is open."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field

from dataflows.connectors.kafka.embedded import free_port


@dataclass
class Way:
    """A connection through a door; what comes waits while it is not ``clear``."""

    ends: tuple[socket.socket, socket.socket]
    clear: threading.Event = field(default_factory=threading.Event)

    def cut(self) -> None:
        """End it."""
        for end in self.ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self.clear.set()

    def carry(self, source: socket.socket, target: socket.socket) -> None:
        """Pass on what comes from one side."""
        with suppress(OSError):
            while data := source.recv(65_536):
                self.clear.wait()
                target.sendall(data)
        for end in self.ends:
            end.close()


class Door:
    """Closed at first: connections are refused."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = free_port()
        self.listener: socket.socket | None = None
        self.ways: list[Way] = []

    def open(self) -> None:
        """Let connections through."""
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._serve, args=(self.listener,), daemon=True).start()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                one, _ = listener.accept()
                other = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                return
            way = Way((one, other))
            way.clear.set()
            self.ways.append(way)
            for source, target in ((one, other), (other, one)):
                threading.Thread(target=way.carry, args=(source, target), daemon=True).start()

    def hold(self) -> None:
        """Let nothing more through the connections that there are; new ones are free."""
        for way in self.ways:
            way.clear.clear()

    def cut(self) -> None:
        """End the connections that there are."""
        for way in self.ways:
            way.cut()
        self.ways.clear()

    def close(self) -> None:
        """Refuse new ones."""
        if self.listener is not None:
            self.listener.close()
