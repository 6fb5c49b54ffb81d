"""What a run's metrics say of its progress: bounds, watermarks, who holds them, lag and state."""

from __future__ import annotations

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from models.expressions.text import time_text

Labels = dict[str, str]


def facts_of(text: str) -> dict[str, Any]:
    """Metrics in Prometheus' text format as plain facts; times are text, everything by stage in the order of stages."""
    found: dict[str, list[tuple[Labels, float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((dict(sample.labels), sample.value))
    holders = {labels["stage"]: (labels["stream"], labels["partition"]) for labels, _ in found.get("tocsin_watermark_holder", [])}
    watermarks = _by(found, "tocsin_watermark_seconds", "stage")
    keys, size = _by(found, "tocsin_keys", "stage"), _by(found, "tocsin_state_bytes", "stage")
    age = found.get("tocsin_epoch_age_seconds", [])
    return {
        "epoch_age": age[0][1] if age else None,
        "events": _whole(_by(found, "tocsin_events_total", "stream")),
        "flags": _whole(_by(found, "tocsin_flags_total", "pattern")),
        "errors": _whole(_by(found, "tocsin_errors_total", "kind")),
        "stages": [
            {
                "stage": int(stage), "watermark": _moment(watermarks.get(stage)), "keys": int(keys[stage]),
                "holder": "/".join(holders[stage]) if stage in holders else None, "state_bytes": int(size.get(stage, 0)),
            }
            for stage in sorted(keys, key=int)
        ],
        "partitions": [
            {
                "stream": labels["stream"], "partition": int(labels["partition"]), "bound": _moment(value),
                "holds": (labels["stream"], labels["partition"]) in holders.values(),
            }
            for labels, value in found.get("tocsin_bound_seconds", [])
        ],
        "lag": [
            {"topic": labels["topic"], "partition": int(labels["partition"]), "records": int(value)}
            for labels, value in found.get("tocsin_consumer_lag", [])
        ],
    }  # fmt: skip


def _by(found: dict[str, list[tuple[Labels, float]]], name: str, label: str) -> dict[str, float]:
    return {labels[label]: value for labels, value in found.get(name, [])}


def _whole(values: dict[str, float]) -> dict[str, int]:
    return {name: int(value) for name, value in values.items()}


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else time_text(round(seconds * 1_000_000))
