"""Dashboard and alert rules: every expression parses, and every metric and label it names is one that a run exports."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
from prometheus_client.core import Metric
from ruamel.yaml import YAML

from dataflows.monitoring.counts import Counts
from dataflows.monitoring.metrics import Metrics
from dataflows.monitoring.observed import Observed
from models.application.load import load

K8S = Path(__file__).parent.parent.parent / "k8s"
MONITORING = K8S / "components" / "monitoring"
SAMPLES = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}
SCRAPED = {"namespace", "pod", "instance", "le"}
"""Labels of the scrape, and of a histogram's buckets."""


def panels() -> Iterator[tuple[str, str]]:
    """Title and expression of each query of the dashboard; Grafana's own variables are filled in."""
    board = json.loads((MONITORING / "dashboard.json").read_text())
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"].replace("$namespace", "tocsin").replace("$__rate_interval", "5m")


def rules() -> Iterator[tuple[str, str]]:
    """Name and expression of each alert."""
    found = YAML(typ="safe").load(MONITORING / "prometheusrule.yaml")
    for group in found["spec"]["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def exported() -> dict[str, set[str]]:
    """Labels of each series by its name; a metric without samples tells its labels when it gets one."""
    application = load(K8S / "application" / "app.yaml")
    families: list[Metric] = list(Metrics(application, Observed(Counts(), lambda: 0.0)).collect())
    labels = {family.name: set(getattr(family, "_labelnames", ())) for family in families}
    return {family.name + end: labels[family.name] for family in families for end in SAMPLES[family.type]}


def selectors(node: Any) -> Iterator[Any]:
    """All selectors of series in an expression."""
    if isinstance(node, promql.VectorSelector):
        yield node
    for name in ("expr", "lhs", "rhs", "vector_selector", "param"):
        if (part := getattr(node, name, None)) is not None:
            yield from selectors(part)
    for part in getattr(node, "args", None) or []:
        yield from selectors(part)


QUERIES = [*panels(), *rules()]


def test_every_metric_of_a_run_is_shown() -> None:
    """On the dashboard or in an alert: a histogram by any of its series."""
    named = {each.name for _, expression in QUERIES for each in selectors(promql.parse(expression))}
    assert {family_of(name) for name in exported()} == {family_of(name) for name in named}


def family_of(series: str) -> str:
    """A histogram's name for each of its series; other names stay."""
    return next((series.removesuffix(end) for end in SAMPLES["histogram"] if series.endswith(end)), series)


@pytest.mark.parametrize(("title", "expression"), QUERIES, ids=[title for title, _ in QUERIES])
def test_every_metric_exists(title: str, expression: str) -> None:
    """In the one module that holds all names."""
    named = {each.name for each in selectors(promql.parse(expression))}
    assert named and named <= set(exported()), title


def test_what_a_legend_shows_is_a_label() -> None:
    """Of the metrics in the panel's expression, or of the scrape."""
    board = json.loads((MONITORING / "dashboard.json").read_text())
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            expression = target["expr"].replace("$namespace", "n").replace("$__rate_interval", "5m")
            labels = SCRAPED.union(*(exported()[each.name] for each in selectors(promql.parse(expression))))
            shown = {part.partition("}}")[0] for part in target["legendFormat"].split("{{")[1:]}
            assert shown <= labels, (panel["title"], shown - labels)


def test_panels_do_not_overlap() -> None:
    """Each has its own number and its own place on the grid of 24 columns."""
    board = json.loads((MONITORING / "dashboard.json").read_text())
    cells: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        own = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not own & cells and at["x"] + at["w"] <= 24, panel["title"]
        cells |= own
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
