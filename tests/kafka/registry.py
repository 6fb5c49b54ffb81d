"""A schema registry on loopback that speaks the REST protocol that its clients need: register, look up by id and by version."""

from __future__ import annotations

import base64
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FakeRegistry:
    """Holds schemas in memory; ``login``: USER:PASSWORD that it asks for. ``asked`` are the paths of all requests."""

    def __init__(self, login: str = "") -> None:
        self.login = login
        self.schemas: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.status = 200
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # noqa: N802 - http.server's name
                self._answer(None)

            def do_POST(self) -> None:  # noqa: N802
                self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def _answer(self, body: Any) -> None:
                status, answer = registry.answer(self.path, body, self.headers.get("Authorization"))
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                """Nobody reads it."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def stop(self) -> None:
        """End it."""
        self.server.shutdown()
        self.server.server_close()

    def add(self, schema: Any, kind: str = "AVRO", subject: str = "s", references: Any = ()) -> int:
        """Hold a schema; its id."""
        text = schema if isinstance(schema, str) else json.dumps(schema)
        self.schemas.append({"schema": text, "schemaType": kind, "subject": subject, "references": list(references)})
        return len(self.schemas)

    def answer(self, path: str, body: Any, login: str | None) -> tuple[int, Any]:
        """Status and body for a request."""
        self.asked.append(path)
        if self.status != 200:
            return self.status, {"error_code": self.status * 100, "message": "told to"}
        if self.login and login != "Basic " + base64.b64encode(self.login.encode()).decode():
            return 401, {"error_code": 40101, "message": "Unauthorized"}
        bare = path.partition("?")[0]
        if found := re.fullmatch(r"/schemas/ids/(\d+)", bare):
            return self._one(int(found[1]))
        if found := re.fullmatch(r"/subjects/(.+)/versions/(\d+)", bare):
            of_subject = [id for id, each in enumerate(self.schemas, 1) if each["subject"] == found[1]]
            status, answer = self._one(of_subject[int(found[2]) - 1])
            return status, {**answer, "id": of_subject[int(found[2]) - 1], "version": int(found[2]), "subject": found[1]}
        if (found := re.fullmatch(r"/subjects/(.+?)(?:/versions)?", bare)) and body is not None:
            return 200, {"id": self.add(body["schema"], body.get("schemaType", "AVRO"), found[1], body.get("references") or ()), "version": 1}
        return 404, {"error_code": 40401, "message": "not found"}

    def _one(self, id: int) -> tuple[int, Any]:
        if not 1 <= id <= len(self.schemas):
            return 404, {"error_code": 40403, "message": f"Schema {id} not found"}
        return 200, {key: value for key, value in self.schemas[id - 1].items() if key != "subject" and value}
