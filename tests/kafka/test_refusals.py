"""A broker that refuses the client: the cause and the cure, exit code 3, and no secret in it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dataflows.connectors.kafka.connection import Connection
from dataflows.connectors.kafka.live import Live
from dataflows.connectors.kafka.reasons import KafkaProblem
from dataflows.connectors.kafka.topics import partitions_of
from tests.kafka.refusing import CERTIFICATE, Server, asking, no_password, plaintext, tls

LOGIN = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "tocsin", "sasl.password": "hidden"}


def refusal(port: int, settings: dict[str, str]) -> str:
    """What a run says of a broker that refuses it."""
    connection = Connection("main", {"bootstrap.servers": f"127.0.0.1:{port}", "reconnect.backoff.max.ms": "100", **settings})
    said: list[str] = []
    with pytest.raises(KafkaProblem) as found:
        partitions_of(connection, ["payments"], Live(lambda: 0, said.append))
    assert found.value.code == 3
    assert "hidden" not in f"{found.value} {said} {connection}"
    return str(found.value)


@pytest.mark.parametrize(
    ("handle", "settings", "message"),
    [
        (tls, {}, "the broker hung up on an unencrypted request: it seems to expect TLS. Set security.protocol to SSL or SASL_SSL"),
        (tls, {"security.protocol": "SSL"}, "the broker's certificate is not signed by a known authority. Set ssl.ca.location"),
        (plaintext, {"security.protocol": "SSL", "ssl.ca.location": str(CERTIFICATE)}, "the broker's port does not speak TLS. Set"),
        (
            asking, {"security.protocol": "SSL", "ssl.ca.location": str(CERTIFICATE), "ssl.endpoint.identification.algorithm": "none"},
            "the broker asks for a client certificate. Set ssl.certificate.location and ssl.key.location",
        ),
        (no_password, LOGIN, "the broker refused the login: "),
        (no_password, {**LOGIN, "sasl.mechanism": "SCRAM-SHA-256"}, "Check sasl.username, sasl.password and sasl.mechanism"),
    ],
)
def test_refusals_name_cause_and_cure(handle: Callable[..., None], settings: dict[str, str], message: str) -> None:
    """No TLS where it is needed, or TLS where there is none; an unknown authority, no certificate, a wrong password or mechanism."""
    with Server(handle) as server:
        found = refusal(server.port, settings)
        assert found.startswith(f"connection 'main' (127.0.0.1:{server.port}): ")
        assert message in found
