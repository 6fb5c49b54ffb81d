"""Connections: their settings, that brokers answer and take the login, that registries do; and the topics of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from confluent_kafka import KafkaException

from dataflows.connectors.kafka.asking import topics_of
from dataflows.connectors.kafka.connection import Connection, connection_of
from dataflows.connectors.kafka.described import described
from dataflows.connectors.kafka.live import Live
from dataflows.connectors.kafka.needed import Need, needed
from dataflows.connectors.kafka.reasons import KafkaProblem, explain
from dataflows.connectors.kafka.registry import Registry
from dataflows.doctor.findings import Finding, fault, ok, problem, warning
from dataflows.doctor.topics import topic_findings
from models.application.resolved.application import Application


def brokers(application: Application, patient: Callable[[], Live]) -> Iterator[Finding | Connection]:
    """All connections and their topics. A connection that answers is given too: what is on it can be sampled."""
    needs = needed(application)
    for name in dict.fromkeys(need.connection for need in needs):
        connection = connection_of(application.connections, name)
        yield from settings(connection.name, connection.settings)
        yield from _connection(application, connection, [need for need in needs if need.connection == name], patient())


def settings(name: str, given: Mapping[str, str]) -> Iterator[Finding]:
    """Settings of a connection that would undo what a run promises."""
    about = f"connection {name}"
    if "transactional.id" in given:
        yield fault(about, "transactional.id is set: flags are written without transactions, and known by their ids", "remove it")
    for key, wanted in (("enable.idempotence", ("true",)), ("acks", ("all", "-1")), ("request.required.acks", ("all", "-1"))):
        if key in given and given[key].lower() not in wanted:
            text = f"{key} is {given[key]}: what a broker loses after it acknowledged is lost, or written twice out of order"
            yield fault(about, text, f"remove it, or set it to {wanted[0]}")
    if given.get("isolation.level") == "read_uncommitted":
        yield warning(about, "isolation.level is read_uncommitted: records of aborted transactions are events", "remove it")


def registries(application: Application) -> Iterator[Finding]:
    """Whether the schema registries of Avro's streams answer."""
    used = {stream.input.connection for stream in application.streams.values() if stream.format == "avro" and stream.input}  # type: ignore[union-attr]
    for name in sorted(each or next(iter(application.registries), "") for each in used):
        about = f"schema registry of {name}"
        try:
            Registry(name, application.registries.get(name, {})).answers()
            yield ok(about, "answers")
        except KafkaProblem as error:
            yield problem(about, _own(str(error)))


def _connection(application: Application, connection: Connection, needs: list[Need], live: Live) -> Iterator[Finding | Connection]:
    about = f"connection {connection.name}"
    try:
        known = topics_of(connection, live)
        found = described(connection, (need.topic for need in needs if need.topic in known))
    except KafkaProblem as error:
        yield problem(about, _own(str(error)))
        return
    except KafkaException as error:
        yield problem(about, _own(explain(error.args[0], connection.name, connection.servers)[0]))
        return
    protocol = connection.settings.get("security.protocol", "PLAINTEXT").upper()
    yield ok(about, f"{connection.servers} answers ({protocol})")
    for need in needs:
        yield from topic_findings(application, need, found.get(need.topic))
    yield connection


def _own(message: str) -> str:
    """A message without the connection that the finding names already."""
    head, _, rest = message.partition("): ")
    return rest if head.startswith("connection ") and rest else message
