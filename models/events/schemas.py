"""The JSON Schemas of what comes out: flags, late events, dead letters."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PatternInfo(_Strict):
    """The pattern that raised the flag."""

    name: str
    version: str
    kind: str
    title: str
    severity: str
    labels: dict[str, str]
    runbook: str
    description: str


class Evidence(_Strict):
    """One event that contributed."""

    id: str
    on: str
    topic: str
    partition: int
    offset: int
    time: str
    role: str
    fields: dict[str, Any]


class Reason(_Strict):
    """One leaf of the condition that made it true."""

    expression: str
    value: Any
    operator: str
    threshold: Any
    holds: bool


class FlagData(_Strict):
    """What the flag says."""

    pattern: PatternInfo
    application: dict[str, str]
    key: dict[str, Any]
    time: str
    window: dict[str, str]
    steps: dict[str, list[str]]
    evidence: list[Evidence]
    evidence_count: int
    evidence_sum: dict[str, Any]
    repeat: int
    reasons: list[Reason]
    features: dict[str, Any]
    scores: dict[str, Any]
    enrichment: dict[str, Any]
    suppressed: int
    missing: list[str] | None = None


class Flag(_Strict):
    """A structured CloudEvent."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str
    datacontenttype: str
    dataschema: str
    correlationid: str
    causationid: str
    traceparent: str
    tracestate: str | None = None
    partitionkey: str
    sequence: str
    dedupkey: str
    severity: str
    priority: int
    ruleset: str
    runmode: str
    recordedtime: str
    settled: bool | None = None
    expirytime: str | None = None
    data: FlagData


class _Passed(_Strict):
    """Where an input row came from, and its original bytes in base64; headers as pairs, since a name may stand twice."""

    stream: str
    topic: str
    partition: int
    offset: int
    headers: list[tuple[str, str | None]]
    key: str | None
    value: str | None
    left_out: str = ""


class DeadLetterData(_Passed):
    """A row that could not be read."""

    reason: Literal["syntax", "encoding", "duplicate_key", "missing", "type", "not_finite", "time_range", "future_time", "envelope"]
    detail: str
    time_received: str | None


class LateData(_Passed):
    """An event behind its partition's bound."""

    reason: Literal["lateness", "idle", "new_partition"]
    time: str
    bound: str


class _Record(_Strict):
    """A structured CloudEvent about an input row."""

    specversion: str
    id: str
    source: str
    subject: str
    datacontenttype: str
    sequence: str


class DeadLetter(_Record):
    """A dead letter."""

    type: Literal["tocsin.deadletter.v1"]
    data: DeadLetterData


class LateEvent(_Record):
    """A late event."""

    type: Literal["tocsin.late.v1"]
    data: LateData


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a record that Tocsin writes."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}


def flag_schema() -> dict[str, Any]:
    """The JSON Schema of flags."""
    return schema_of(Flag)
