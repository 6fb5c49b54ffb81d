"""Real servers for a test: Kafka, PostgreSQL and Kafka Connect with Debezium, as the stack beside the checkout starts them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from dataflows.connectors.kafka.embedded import Broker, free_port

FOLDER = Path(__file__).parent.parent.parent.parent / "shared" / "tools" / "stack"
CONVERTER = "org.apache.kafka.connect.json.JsonConverter"


class Stack:
    """The servers, on free ports of loopback, with their data in a folder of their own."""

    def __init__(self) -> None:
        self.run_folder = Path(tempfile.mkdtemp(prefix="tocsin-soak-"))
        self.run_folder.chmod(0o755)  # the database runs as a user of its own
        self.ports = {"connect": free_port(), "postgres": free_port()}
        self.broker = Broker()

    def start(self) -> None:
        """Start all, and wait until they answer."""
        servers = self._call("kafka", "start", "--port", "0")
        self.broker.port = int(servers.rsplit(":", 1)[1])
        self.dsn = self._call("postgres", "start", "--port", str(self.ports["postgres"]))
        self.start_connect()

    def start_connect(self) -> None:
        """Start the worker, also again after it was killed: it goes on from its last flush, up to 20 s ago."""
        flush = ["--set", "offset.flush.interval.ms=20000", "--set", "scheduled.rebalance.max.delay.ms=0"]
        self._call("connect", "start", "--port", str(self.ports["connect"]), "--bootstrap", self.broker.servers, *flush)

    def kill_connect(self) -> None:
        """Kill the worker in the middle of what it does."""
        status = self._call("connect", "status", "--port", str(self.ports["connect"]))
        found = re.search(r"pid=(\d+)", status)
        assert found is not None, status
        os.kill(int(found[1]), signal.SIGKILL)

    def register(self, name: str, config: dict[str, str], *, schemas: bool = False) -> None:
        """Capture the schema ``bank`` under a prefix."""
        user, password, host, port, database = re.fullmatch(r"postgresql://(.+):(.+)@(.+):(.+)/(.+)", self.dsn).groups()  # type: ignore[union-attr]
        whole = {
            "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "plugin.name": "pgoutput", "tasks.max": "1",
            "database.hostname": host, "database.port": port, "database.user": user, "database.password": password,
            "database.dbname": database, "topic.prefix": name, "slot.name": name, "publication.name": name,
            "publication.autocreate.mode": "filtered", "schema.include.list": "bank", "poll.interval.ms": "50",
            "heartbeat.interval.ms": "500", "heartbeat.action.query": "update bank.beat set at = now() where id = 1",
            "skipped.operations": "none", "provide.transaction.metadata": "true",
            "key.converter": CONVERTER, "value.converter": CONVERTER,
            "key.converter.schemas.enable": str(schemas).lower(), "value.converter.schemas.enable": str(schemas).lower(),
            "topic.creation.default.replication.factor": "1", "topic.creation.default.partitions": "2", **config,
        }  # fmt: skip
        document = json.dumps({"name": name, "config": whole})
        self._call("connect", "register", "-", "--port", str(self.ports["connect"]), given=document)

    def topic(self, name: str, partitions: int = 1) -> None:
        """Make a topic."""
        admin = AdminClient({"bootstrap.servers": self.broker.servers})
        admin.create_topics([NewTopic(name, partitions, 1)])[name].result(30)

    def sql(self, *statements: str) -> list[list[str]]:
        """Run statements one after another, each a transaction; the rows of the last, as text."""
        commands = [part for statement in statements for part in ("-c", statement)]
        text = self._call("postgres", "psql", "--port", str(self.ports["postgres"]), "-At", "-q", *commands)
        return [line.split("|") for line in text.splitlines()]

    def stop(self) -> None:
        """End what was started, and remove its data."""
        for server, port in (("connect", self.ports["connect"]), ("postgres", self.ports["postgres"]), ("kafka", self.broker.port)):
            self._call(server, "stop", "--port", str(port), "--wipe")
        shutil.rmtree(self.run_folder, ignore_errors=True)

    def _call(self, server: str, *words: str, given: str | None = None) -> str:
        environment: dict[str, Any] = {**os.environ, "TOCSIN_STACK_RUN": str(self.run_folder)}
        done = subprocess.run([FOLDER / server, *words], input=given, env=environment, text=True, capture_output=True, timeout=240, check=False)
        assert done.returncode == 0, f"{server} {words[0]}: {done.stdout}{done.stderr}"
        return done.stdout.strip()
