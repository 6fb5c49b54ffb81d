"""A port of loopback that leads to another one as long as it is open."""

from __future__ import annotations

import socket
import threading

from dataflows.connectors.kafka.embedded import free_port


class Door:
    """Closed at first: connections are refused."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = free_port()
        self.listener: socket.socket | None = None

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
            for source, target in ((one, other), (other, one)):
                threading.Thread(target=_pass, args=(source, target), daemon=True).start()

    def close(self) -> None:
        """Refuse new ones."""
        if self.listener is not None:
            self.listener.close()


def _pass(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            target.sendall(data)
    except OSError:
        pass
    for each in (source, target):
        each.close()
