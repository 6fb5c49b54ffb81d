"""What a Kafka client's error means for its user: the cause, and what to do."""

from __future__ import annotations

from confluent_kafka import KafkaError

WRONG_INPUT, OUTSIDE = 1, 3


GONE = frozenset({KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE, KafkaError._SSL})
"""Errors after which a client has no broker."""


class KafkaProblem(Exception):
    """Something about Kafka that stops a run; ``code`` is its exit code: the user's file is wrong, or an outside system failed."""

    def __init__(self, message: str, *, wrong_input: bool = False) -> None:
        super().__init__(message)
        self.code = WRONG_INPUT if wrong_input else OUTSIDE


def explain(error: KafkaError, connection: str, servers: str) -> tuple[str, bool]:
    """The message for an error from a client's ``error_cb``, and whether waiting can mend it."""
    code, text = error.code(), error.str()
    where = f"connection {connection!r} ({servers})"
    if code == KafkaError._AUTHENTICATION or code == KafkaError.SASL_AUTHENTICATION_FAILED:
        cure = "Check sasl.username, sasl.password and sasl.mechanism"
        return f"{where}: the broker refused the login: {_short(text)}. {cure}", False
    if code == KafkaError._SSL or "SSL" in text and ("handshake" in text or " alert " in text):
        return f"{where}: {_tls(text)}", False
    if "security.protocol" in text:
        return unencrypted(connection, servers), False
    if code == KafkaError._RESOLVE:
        return f"{where}: no address found for the broker: {_short(text)}. Check bootstrap.servers", True
    if code == KafkaError._ALL_BROKERS_DOWN:
        return f"{where}: no broker answers. Check that Kafka runs, bootstrap.servers, and the network between", True
    if code == KafkaError._TRANSPORT:
        return f"{where}: the connection to the broker failed: {_short(text)}. Check that Kafka runs and bootstrap.servers", True
    return f"{where}: {_short(text)}", True


def kind_of(error: KafkaError) -> str:
    """A client's error as a metric names it, such as ``kafka_transport``."""
    return f"kafka_{error.name().strip('_').lower()}"


def unencrypted(connection: str, servers: str) -> str:
    """The message for a broker that does not answer an unencrypted request."""
    return (
        f"connection {connection!r} ({servers}): the broker hung up on an unencrypted request: it seems to expect TLS. Set "
        "security.protocol to SSL or SASL_SSL, or name its plaintext port"
    )


def _tls(text: str) -> str:
    if "certificate verify failed" in text or "unknown ca" in text.lower() or "self-signed" in text or "self signed" in text:
        return "the broker's certificate is not signed by a known authority. Set ssl.ca.location to the authority's file"
    if any(sign in text for sign in ("wrong version number", "non-SSL", "packet length", "PLAINTEXT")):
        return "the broker's port does not speak TLS. Set security.protocol to PLAINTEXT or SASL_PLAINTEXT, or name its TLS port"
    if "certificate required" in text or "handshake failure" in text or "bad certificate" in text:
        return "the broker asks for a client certificate. Set ssl.certificate.location and ssl.key.location"
    return f"TLS failed: {_short(text)}. Check ssl.ca.location and the broker's certificate"


def _short(text: str) -> str:
    """Without the client's own prefix of threads and addresses."""
    return text.rsplit("bootstrap: ", 1)[-1].removesuffix(")").split(" (after ")[0]
