"""Logging in to a real Kafka over TLS: by password, and by certificate; the flags are those of files."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from dataflows.connectors.kafka.embedded import Broker
from dataflows.connectors.kafka.reasons import KafkaProblem
from dataflows.running import Job, run_here
from tests.kafka.read_back import flags_in, flags_of
from tests.kafka.refusing import CERTIFICATE
from tests.kafka.shop import filled, made, over_files, over_topics, rows
from tests.kafka.test_end_to_end import bounded
from tests.shared.stack import FOLDER

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="the servers' scripts lie beside the checkout, and there is none"),
]
PASSWORD = "tocsin-test-only"
"""The test broker's published password of its user ``tocsin``."""


class Secured(NamedTuple):
    """A broker's plain listener, and the folder of its certificates."""

    broker: Broker
    certificates: Path


@pytest.fixture(scope="module")
def secured() -> Iterator[Secured]:
    """A Kafka with SASL_SSL two ports and TLS with client certificates three ports above its plain listener."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-secure-"))
    try:
        said = subprocess.run(
            [FOLDER / "kafka", "start", "--dir", folder, "--port", "0", "--secure"], capture_output=True, text=True, timeout=300, check=True
        )
        broker = Broker()
        broker.port = int(re.findall(r"127\.0\.0\.1:(\d+)", said.stdout)[0])
        yield Secured(broker, next(folder.rglob("ca.pem")).parent)
    finally:
        subprocess.run([FOLDER / "kafka", "stop", "--dir", folder, "--wipe"], capture_output=True, timeout=60, check=False)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN", "certificate"])
def test_who_may_read_gets_the_flags_of_files(
    secured: Secured, mechanism: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The password comes from the environment, the certificate's files by name."""
    monkeypatch.setenv("KAFKA_PASSWORD", PASSWORD)
    partitions, changes = rows(600)
    run_here(Job(over_files(tmp_path, partitions, changes), 16, lambda: "now"))
    plain, certificates = secured.broker, secured.certificates
    topics = filled(plain, partitions, changes)
    if mechanism == "certificate":
        servers = f"127.0.0.1:{plain.port + 3}"
        login = (
            f"security.protocol: SSL, ssl.certificate.location: {certificates}/client.pem, ssl.key.location: {certificates}/client.key"
        )
    else:
        servers = f"127.0.0.1:{plain.port + 2}"
        login = f"security.protocol: SASL_SSL, sasl.mechanisms: {mechanism}, sasl.username: tocsin, sasl.password: '${{KAFKA_PASSWORD}}'"
    settings = f"bootstrap.servers: '{servers}', ssl.ca.location: {certificates}/ca.pem, {login}"
    application = over_topics(tmp_path, plain, topics, {f"bootstrap.servers: '{plain.servers}'": settings})
    said: list[str] = []
    run_here(Job(application, 16, lambda: "now", live=bounded(said)))
    assert flags_in(plain, topics["flags"]) == flags_of(tmp_path / "flags.jsonl") != []
    assert not any(PASSWORD in line for line in said)


@pytest.mark.parametrize(
    ("port", "settings", "message"),
    [
        (2, "security.protocol: SASL_SSL, sasl.mechanisms: SCRAM-SHA-512, sasl.username: tocsin, sasl.password: wrong, ssl.ca.location: {ca}",
         "the broker refused the login: "),
        (2, "security.protocol: SASL_SSL, sasl.mechanisms: PLAIN, sasl.username: tocsin, sasl.password: wrong, ssl.ca.location: {other}",
         "the broker's certificate is not signed by a known authority. Set ssl.ca.location"),
        (2, "client.id: plain", "the broker hung up on an unencrypted request: it seems to expect TLS. Set security.protocol"),
        (3, "security.protocol: SSL, ssl.ca.location: {ca}", "the broker asks for a client certificate. Set ssl.certificate.location"),
        (0, "security.protocol: SSL, ssl.ca.location: {ca}", "the broker's port does not speak TLS. Set security.protocol"),
    ],
)  # fmt: skip
def test_who_may_not_read_is_told_why(secured: Secured, port: int, settings: str, message: str, tmp_path: Path) -> None:
    """A wrong password, another authority, no TLS where it is asked for, no certificate, TLS where there is none."""
    plain, topics = secured.broker, made(secured.broker)
    login = settings.format(ca=secured.certificates / "ca.pem", other=CERTIFICATE)
    changes = {f"bootstrap.servers: '{plain.servers}'": f"bootstrap.servers: '127.0.0.1:{plain.port + port}', {login}"}
    with pytest.raises(KafkaProblem) as found:
        run_here(Job(over_topics(tmp_path, plain, topics, changes), 16, lambda: "now", live=bounded([])))
    assert message in str(found.value) and found.value.code == 3
    assert "wrong" not in str(found.value)
