"""The JSON Schema of a flag."""

from __future__ import annotations

from typing import Any

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


def flag_schema() -> dict[str, Any]:
    """The JSON Schema of flags."""
    return Flag.model_json_schema()
