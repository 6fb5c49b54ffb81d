"""A day of a small service landscape: requests, hosts' metrics, probes and deploys, with planted and labelled incidents."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dataflows.generate.envelopes import Envelopes

SERVICES = ("api", "auth", "cart", "catalog", "checkout", "mail", "search", "stock")
HOSTS = tuple(f"host{number:02d}" for number in range(12))
ENDPOINTS = tuple(f"{service}.example.com" for service in SERVICES)
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
START = 1_704_067_200_000
FILES = {
    "requests": "requests.jsonl", "metrics": "metrics.jsonl", "probes": "probes.jsonl", "deploys": "deploys.cdc.jsonl",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that goes wrong with one key for a while; times in milliseconds."""

    kind: str
    key: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What was written."""

    requests: int
    metrics: int
    probes: int
    deploys: int
    incidents: int


def inputs_of(folder: Path) -> dict[str, str]:
    """For each stream and table of examples/ops-alerts its file in a folder that ``generate_ops`` wrote."""
    return {name: str(folder / file) for name, file in FILES.items()}


def generate_ops(out: Path, *, hours: int = 24, seed: int = 0, incidents: int = 4) -> Summary:
    """Write the streams, ``deploys.cdc.jsonl`` and ``labels.csv`` into ``out``: the same bytes for the same arguments."""
    draws = iter(np.random.default_rng([seed, part]) for part in range(10))
    end = START + hours * HOUR_MS
    planted = _incidents(end, incidents, next(draws))
    out.mkdir(parents=True, exist_ok=True)
    requests = _requests(end, planted, next(draws))
    metrics = _metrics(end, planted, next(draws))
    probes = _probes(end, planted, next(draws))
    for name, frame in (("requests", requests), ("metrics", metrics), ("probes", probes)):
        frame.write_ndjson(out / FILES[name])
    deploys = _deploys(end, planted, next(draws))
    (out / FILES["deploys"]).write_bytes(b"\n".join(deploys.lines) + b"\n")
    pl.DataFrame([(i.kind, i.key, i.start, i.end) for i in planted], ["kind", "key", "start", "end"], orient="row").write_csv(
        out / "labels.csv"
    )
    return Summary(requests.height, metrics.height, probes.height, len(deploys.lines), len(planted))


def _incidents(end: int, each: int, random: np.random.Generator) -> list[Incident]:
    """``each`` of every kind, not in the first two hours; no two at once on one key."""
    kinds = {
        "errors_after_deploy": (SERVICES, 15),
        "latency_shift": (SERVICES, 20),
        "cpu_high": (HOSTS, 8),
        "endpoint_down": (ENDPOINTS, 6),
    }
    found: list[Incident] = []
    for kind, (keys, minutes) in kinds.items():
        free = list(keys)
        for _ in range(min(each, len(keys))):
            key = free.pop(int(random.integers(len(free))))
            start = int(random.integers(START + 2 * HOUR_MS, max(end - HOUR_MS, START + 2 * HOUR_MS + 1))) // 1000 * 1000
            found.append(Incident(kind, key, start, start + minutes * MINUTE_MS))
    return sorted(found, key=lambda incident: (incident.start, incident.kind))


def _requests(end: int, planted: list[Incident], random: np.random.Generator) -> pl.DataFrame:
    """A request every twelve seconds and service: one in a hundred fails, latencies are lognormal about a service's own median."""
    n = (end - START) // 12_000 * len(SERVICES)
    ts = np.sort(START + random.integers(0, end - START, n))
    service = random.integers(len(SERVICES), size=n)
    latency = random.lognormal(np.log(20 + 10 * service), 0.4)
    failing = np.full(n, 0.01)
    for incident in planted:
        if incident.kind == "errors_after_deploy":
            failing[_struck(ts, service, SERVICES, incident)] = 0.4
        elif incident.kind == "latency_shift":
            latency[_struck(ts, service, SERVICES, incident)] *= 4
    status = np.where(random.random(n) < failing, random.choice([500, 502, 503], n), 200)
    return pl.DataFrame({"ts": ts, "service": _names(SERVICES, service), "status": status, "latency_ms": np.round(latency, 2)})


def _metrics(end: int, planted: list[Incident], random: np.random.Generator) -> pl.DataFrame:
    """Each host's CPU every 15 seconds: about 45 %, now and then a moment above 90."""
    ts, host = _ticks(end, 15_000, len(HOSTS))
    cpu = np.clip(random.normal(45, 10, len(ts)), 1, 99)
    cpu[random.random(len(ts)) < 0.002] = 95
    for incident in planted:
        if incident.kind == "cpu_high":
            there = _struck(ts, host, HOSTS, incident)
            cpu[there] = random.uniform(91, 99.9, int(there.sum()))
    return pl.DataFrame({"ts": ts, "host": _names(HOSTS, host), "cpu": np.round(cpu, 1)})


def _probes(end: int, planted: list[Incident], random: np.random.Generator) -> pl.DataFrame:
    """Each endpoint asked every 30 seconds; one probe in two hundred fails by itself."""
    ts, endpoint = _ticks(end, 30_000, len(ENDPOINTS))
    ok = random.random(len(ts)) >= 0.005
    for incident in planted:
        if incident.kind == "endpoint_down":
            ok[_struck(ts, endpoint, ENDPOINTS, incident)] = False
    return pl.DataFrame({"ts": ts, "endpoint": _names(ENDPOINTS, endpoint), "ok": ok})


def _deploys(end: int, planted: list[Incident], random: np.random.Generator) -> Envelopes:
    """Every service's version as a snapshot, then two good deploys of each a day, and those that go wrong."""
    table = Envelopes("deploys", "service", START - 1000)
    table.snapshot([_version(service, 1, START - 24 * HOUR_MS) for service in SERVICES])
    good = [(int(ts), str(random.choice(SERVICES))) for ts in random.integers(START, end, 2 * len(SERVICES))]
    bad = [(incident.start, incident.key) for incident in planted if incident.kind == "errors_after_deploy"]
    for number, (ts, service) in enumerate(sorted([*good, *bad])):
        row = _version(service, number + 2, ts)
        table.update(ts, service, version=row["version"], deployed_at=row["deployed_at"])
    return table


def _version(service: str, number: int, ts: int) -> dict[str, object]:
    return {"service": service, "version": f"v{number}", "deployed_at": ts * 1000}


def _ticks(end: int, every: int, keys: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All keys in turn, spread evenly over each period."""
    number = np.arange((end - START) // every * keys)
    return START + number * every // keys, number % keys


def _struck(ts: NDArray[np.int64], code: NDArray[np.int64], keys: tuple[str, ...], incident: Incident) -> NDArray[np.bool_]:
    """Which rows of a key lie within an incident of it."""
    struck: NDArray[np.bool_] = (ts >= incident.start) & (ts < incident.end) & (code == keys.index(incident.key))
    return struck


def _names(names: tuple[str, ...], codes: NDArray[np.int64]) -> pl.Series:
    return pl.Series(codes).replace_strict(dict(enumerate(names)), return_dtype=pl.String)
