"""k8s/responder on a real API server: applied, rolled out, nothing dangling; KEDA's own description of its Kafka scaler holds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent.parent
CLUSTER = ROOT.parent / "shared" / "tools" / "k8s" / "cluster"
KEYS = ("ledger", "link-key", "mask-key", "cases-secret", "model-key", "api-tokens")
Run = Callable[..., str]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Run]:
    """A fresh cluster with the namespaces and the Secret that the responder expects to find."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-k8s-"))
    environment = {**os.environ, "TOCSIN_K8S_RUN": str(folder), "TOCSIN_K8S_PORT": "26640"}

    def run(*arguments: str, given: str | None = None) -> str:
        done = subprocess.run([CLUSTER, *arguments], env=environment, input=given, capture_output=True, text=True, timeout=1500, check=False)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    try:
        run("start")
        for name in ("tocsin", "models"):
            run("kubectl", "create", "namespace", name)
        run("kubectl", "-n", "tocsin", "create", "secret", "generic", "responder", *(f"--from-literal={key}=x" for key in KEYS))
        run("kubectl", "-n", "tocsin", "create", "secret", "generic", "responder-tls", "--from-literal=tls.crt=x", "--from-literal=tls.key=x")
        model = ["create", "deployment", "model", "--image=registry.example.com/model:1"]
        run("kubectl", "-n", "models", *model)
        run("kubectl", "-n", "models", "patch", "deployment", "model", "--type=json", "-p", json.dumps([
            {"op": "add", "path": "/spec/template/metadata/labels/app.kubernetes.io~1name", "value": "model"},
        ]))  # fmt: skip
        yield run
    finally:
        subprocess.run([CLUSTER, "stop"], env=environment, capture_output=True, timeout=120, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def test_its_form_is_right(cluster: Run) -> None:
    cluster("lint", "-", given=cluster("kubectl", "kustomize", str(ROOT / "k8s" / "responder")))


def test_it_is_applied_and_rolls_out(cluster: Run) -> None:
    cluster("kubectl", "apply", "--server-side", "-k", str(ROOT / "k8s" / "responder"))
    cluster("kubectl", "-n", "tocsin", "scale", "deployment/responder", "--replicas=2")  # KEDA's part
    cluster("kubectl", "-n", "tocsin", "rollout", "status", "deployment/responder", "--timeout=120s")
    for namespace in ("tocsin", "models"):
        cluster("check", "-n", namespace)
    found = json.loads(cluster("kubectl", "-n", "tocsin", "get", "scaledobject", "responder", "-o", "json"))
    assert found["spec"]["scaleTargetRef"]["name"] == "responder"


def test_the_scaler_s_keys_are_keda_s(cluster: Run) -> None:
    """Its metadata is a free map, which no server looks into."""
    [trigger] = _trigger()
    [described] = [each for each in _keda()["scalers"] if each["type"] == trigger["type"]]
    known = {each["name"]: each for each in described["parameters"] if each.get("metadataVariableReadable")}
    assert trigger["metadata"].keys() <= known.keys()
    needed = {name for name, each in known.items() if not each.get("optional") and "default" not in each}
    assert needed <= trigger["metadata"].keys()
    for name, value in trigger["metadata"].items():
        assert isinstance(value, str)
        assert value in known[name].get("allowedValue", [value])


def _trigger() -> list[Any]:
    return list(YAML(typ="safe").load((ROOT / "k8s/responder/cell/scaledobject.yaml").read_text())["spec"]["triggers"])


def _keda() -> Any:
    """The description that KEDA's module carries; the cluster's build has fetched it."""
    modules = subprocess.run(["go", "env", "GOMODCACHE"], capture_output=True, text=True, check=True).stdout.strip()
    found = sorted(Path(modules).glob("github.com/kedacore/keda/v2@*/schema/generated/scalers-schema.json"))
    return json.loads(found[-1].read_text())
