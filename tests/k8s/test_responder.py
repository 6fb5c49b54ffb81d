"""What k8s/responder says fits the application and the program."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from agents.effects.targets import targets
from agents.policy import policy_of
from models.application.load import load

ROOT = Path(__file__).parent.parent.parent
CELL = ROOT / "k8s" / "responder" / "cell"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_ELSEWHERE = {"BROKERS", "LLM_MODEL", "CASES_URL", "CASES_SECRET"}
"""What the application's own texts name."""


def _read(name: str) -> Any:
    return YAML(typ="safe").load((CELL / name).read_text())


def _settings() -> dict[str, str]:
    [generator] = _read("kustomization.yaml")["configMapGenerator"]
    return dict(each.split("=", 1) for each in generator["literals"])


def test_lag_is_looked_at_where_flags_are_read() -> None:
    application = load(ROOT / "k8s" / "application" / "app.yaml")
    [trigger] = _read("scaledobject.yaml")["spec"]["triggers"]
    assert isinstance(application.outputs.to, tuple)
    assert trigger["metadata"]["topic"] == application.outputs.to[1]
    assert trigger["metadata"]["consumerGroup"] == f"{application.name}-respond"
    assert trigger["metadata"]["bootstrapServers"] == _settings()["BROKERS"]


def test_all_that_the_program_is_given_it_reads_and_all_that_it_needs_is_given() -> None:
    [container] = _read("deployment.yaml")["spec"]["template"]["spec"]["containers"]
    given = {each["name"] for each in container["env"]} | _settings().keys()
    sources = "".join(path.read_text() for folder in ("agents", "dataflows") for path in (ROOT / folder).rglob("*.py"))
    assert not [name for name in given - _ELSEWHERE if name not in sources]
    policy = policy_of(load(ROOT / "k8s" / "application" / "app.yaml"))
    assert policy is not None
    environment = {**_settings(), **dict.fromkeys(given - _settings().keys(), SECRET)}
    assert targets(policy.respond.endpoints, environment)["cases"].url == _settings()["CASES_URL"]
    named = set(re.findall(r"\$\{(\w+)", (ROOT / "k8s" / "application" / "app.yaml").read_text()))
    assert named <= given


def test_no_secret_is_in_a_manifest() -> None:
    for path in CELL.glob("*.yaml"):
        assert "whsec_" not in path.read_text().replace("whsec_…", "")
    [container] = _read("deployment.yaml")["spec"]["template"]["spec"]["containers"]
    assert all("valueFrom" in each or each["value"].startswith("/run/") for each in container["env"])


def test_probes_and_ports_are_those_that_are_served() -> None:
    [container] = _read("deployment.yaml")["spec"]["template"]["spec"]["containers"]
    assert _settings()["TOCSIN_LISTEN"].endswith(f":{container['ports'][0]['containerPort']}")
    paths = {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths == {"/healthz", "/readyz"}
