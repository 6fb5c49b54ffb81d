"""A real Kafka for the tests that need one."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataflows.connectors.kafka.embedded import Broker
from tests.shared.stack import FOLDER


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    """One broker for the tests of a module, in place of that in memory."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-kafka-"))
    # Records of these tests have the times of their events, some of them long ago: retention would take them away.
    settings = ["--set", "log.retention.ms=-1", "--set", "message.max.bytes=20000000"]
    start = [FOLDER / "kafka", "start", "--dir", folder, "--port", "0", *settings]
    try:
        for _ in range(3):  # it needs two ports, of which it looks for one
            said = subprocess.run(start, capture_output=True, text=True, timeout=300, check=False)
            if said.returncode == 0:
                break
        yield Broker(int(re.findall(r"127\.0\.0\.1:(\d+)", said.stdout)[0]))
    finally:
        subprocess.run([FOLDER / "kafka", "stop", "--dir", folder, "--wipe"], capture_output=True, timeout=60, check=False)
        shutil.rmtree(folder, ignore_errors=True)
