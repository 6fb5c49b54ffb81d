"""One schema registry, asked once for each schema. What it is told and answers is never printed but for reasons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, SchemaRegistryError

from dataflows.connectors.kafka.reasons import KafkaProblem
from dataflows.decoding.avro import Texts, problem_of

_NUMBERS = frozenset({"timeout", "cache.capacity", "max.retries", "retries.wait.ms", "retries.max.wait.ms"})


class Registry:
    """One registry."""

    def __init__(self, connection: str, settings: Mapping[str, str]) -> None:
        self.where = f"connection {connection!r}: the schema registry ({_host(settings.get('url', ''))})"
        try:
            given: dict[str, Any] = {key: int(value) if key in _NUMBERS else value for key, value in settings.items()}
            self.client = SchemaRegistryClient(given)
        except (ValueError, TypeError, OSError) as error:
            message = f"connection {connection!r}: schema_registry: {error}; correct its settings"
            raise KafkaProblem(message, wrong_input=True) from None

    def answers(self) -> None:
        """Ask it for nothing in particular.

        Raises:
            KafkaProblem: when it does not answer, or refuses the login.
        """
        try:
            self.client.get_subjects()
        except SchemaRegistryError as error:
            if error.http_status_code != 404:
                self._refused(error, None)
        except Exception as error:  # whatever the transport raises: the client has tried again by then
            raise self._silent(error) from None

    def schema(self, id: int) -> Texts | str:
        """An Avro schema with those that it refers to, or why it cannot be had.

        Raises:
            KafkaProblem: when the registry does not answer, or refuses.
        """
        try:
            found = self.client.get_schema(id)
            if (found.schema_type or "AVRO") != "AVRO":
                return f"expected an Avro schema; found schema {id}, which is {found.schema_type}"
            texts = (*self._references(found), found.schema_str or "")
        except SchemaRegistryError as error:
            return self._refused(error, id)
        except Exception as error:  # whatever the transport raises: the client has tried again by then
            raise self._silent(error) from None
        problem = problem_of(texts)
        return texts if problem is None else f"schema {id} of the registry cannot be read: {problem}"

    def _references(self, schema: Schema) -> Texts:
        found: list[str] = []
        for reference in schema.references or []:
            of = self.client.get_version(reference.subject or "", reference.version or 1).schema
            found += [text for text in (*self._references(of), of.schema_str or "") if text not in found]
        return tuple(found)

    def _silent(self, error: Exception) -> KafkaProblem:
        return KafkaProblem(f"{self.where} does not answer: {type(error).__name__}. Check schema_registry.url, and that it runs")

    def _refused(self, error: SchemaRegistryError, id: int | None) -> str:
        if error.http_status_code == 404:
            return f"expected a schema of the registry; found id {id}, which it does not know"
        if error.http_status_code in (401, 403):
            raise KafkaProblem(f"{self.where} refused the login. Check basic.auth.user.info") from None
        asked = "a question" if id is None else f"schema {id}"
        raise KafkaProblem(f"{self.where} answered {asked} with HTTP {error.http_status_code}. Look into its log") from None


def _host(url: str) -> str:
    """Addresses without user and password."""
    parts = [urlsplit(each.strip()) for each in url.split(",")]
    return ", ".join(f"{part.hostname}:{part.port}" if part.port else str(part.hostname) for part in parts)
