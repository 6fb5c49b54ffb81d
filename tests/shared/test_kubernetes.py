"""The manifests on a real API server: linted, applied, rolled out, changed, drained, rolled back. No container runs there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
K8S = ROOT / "k8s"
CLUSTER = ROOT.parent / "shared" / "tools" / "k8s" / "cluster"
ALL = {"tocsin-dev": "overlays/dev", "tocsin": "overlays/prod"}

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not CLUSTER.is_file(), reason="the API server's script lies beside the checkout, and there is none"),
]


class Kubernetes:
    """The cluster's own kubectl."""

    def __init__(self, folder: Path) -> None:
        self.environment = {**os.environ, "TOCSIN_K8S_RUN": str(folder / "run"), "TOCSIN_K8S_PORT": "27440"}

    def call(self, *command: str, text: str | None = None, fails: bool = False) -> str:
        """What the script prints."""
        most = 3600 if command == ("start",) else 300  # the first start builds the servers
        done = subprocess.run(
            [str(CLUSTER), *command], input=text, capture_output=True, text=True, timeout=most, env=self.environment, check=False
        )
        assert fails or done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout + done.stderr

    def kubectl(self, *command: str, text: str | None = None) -> str:
        """What kubectl prints."""
        return self.call("kubectl", *command, text=text)

    def get(self, namespace: str, kind: str, name: str) -> Any:
        """A live object."""
        return json.loads(self.kubectl("-n", namespace, "get", kind, name, "-o", "json"))

    def apply(self, folder: Path) -> None:
        """All of an overlay."""
        self.kubectl("apply", "--server-side", "-k", str(folder))

    @staticmethod
    def until(done: Callable[[], bool]) -> None:
        """Ask again until it is so; what is not there for a moment is not so."""
        for _ in range(240):
            with suppress(AssertionError):
                if done():
                    return
            time.sleep(0.25)
        raise TimeoutError("not within a minute")

    def rolled_out(self, namespace: str) -> None:
        """Wait until the pods are there, as the fake kubelets see them."""
        self.kubectl("-n", namespace, "rollout", "status", "statefulset/flow", "--timeout=120s")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubernetes]:
    """A fresh one, with what others bring: namespaces, and the Secrets that Strimzi writes."""
    found = Kubernetes(tmp_path_factory.mktemp("cluster"))
    found.call("start")
    try:
        for name in ("kafka", "monitoring", "tocsin"):
            found.kubectl("create", "namespace", name)
        found.kubectl("-n", "tocsin", "create", "secret", "generic", "flow", "--from-literal=password=x")
        found.kubectl("-n", "tocsin", "create", "secret", "generic", "main-cluster-ca-cert", "--from-literal=ca.crt=x")
        yield found
    finally:
        found.call("stop")


@pytest.fixture
def edited(tmp_path: Path) -> Path:
    """A copy of the manifests, to be changed as their user would."""
    shutil.copytree(K8S, tmp_path / "k8s")
    return tmp_path / "k8s"


@pytest.mark.parametrize("folder", [*ALL.values(), "backtest"])
def test_rendered_and_linted(folder: str, cluster: Kubernetes) -> None:
    """Every field is one of its schema's, of Kubernetes and of the operators."""
    rendered = cluster.kubectl("kustomize", str(K8S / folder))
    cluster.call("lint", "-", text=rendered)


@pytest.mark.parametrize(("namespace", "folder"), ALL.items())
def test_applied_and_rolled_out(namespace: str, folder: str, cluster: Kubernetes) -> None:
    """Pods are admitted under the restricted profile and scheduled, volumes bound, and nothing refers to what is not there."""
    cluster.apply(K8S / folder)
    cluster.rolled_out(namespace)
    cluster.call("check", "-n", namespace)
    claim = cluster.get(namespace, "pvc", "state-flow-0")
    assert (claim["status"]["phase"], claim["spec"]["accessModes"]) == ("Bound", ["ReadWriteOnce"])


def test_a_backtest_beside_it(cluster: Kubernetes) -> None:
    """A Job with a volume of its own."""
    cluster.apply(K8S / "overlays/dev")
    cluster.apply(K8S / "backtest")
    cluster.kubectl("-n", "tocsin-dev", "wait", "--for=jsonpath={.status.phase}=Bound", "pvc/backtest", "--timeout=60s")
    assert cluster.get("tocsin-dev", "job", "backtest")["status"].keys() & {"active", "succeeded", "ready"}


def test_a_node_is_drained(cluster: Kubernetes) -> None:
    """The budget lets the pod go, and it comes up elsewhere with its volume."""
    cluster.apply(K8S / "overlays/prod")
    cluster.rolled_out("tocsin")
    node = cluster.get("tocsin", "pod", "flow-0")["spec"]["nodeName"]
    try:
        cluster.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s")
        cluster.rolled_out("tocsin")
        pod = cluster.get("tocsin", "pod", "flow-0")
        assert pod["spec"]["nodeName"] != node
        assert {"name": "state", "persistentVolumeClaim": {"claimName": "state-flow-0"}} in pod["spec"]["volumes"]
    finally:
        cluster.kubectl("uncordon", node)


@pytest.mark.parametrize("back", ["apply", "undo"])
def test_changed_rules_are_rolled_out_and_back(back: str, cluster: Kubernetes, edited: Path) -> None:
    """As the README tells: a changed application and a new state; back again to the old ones."""
    cluster.apply(K8S / "overlays/prod")
    cluster.rolled_out("tocsin")
    before = running(cluster)
    application = edited / "application" / "app.yaml"
    application.write_text(application.read_text().replace("sum_10m > 1000", "sum_10m > 2000"))
    overlay = edited / "overlays/prod/kustomization.yaml"
    overlay.write_text(overlay.read_text().replace("bootstrap.kafka:9093]", "bootstrap.kafka:9093, TOCSIN_STATE=/state/2]"))
    cluster.apply(edited / "overlays/prod")
    cluster.rolled_out("tocsin")
    after = running(cluster)
    assert before[0] != after[0]
    assert (before[1], after[1]) == ("/state/1", "/state/2")
    if back == "undo":
        cluster.kubectl("-n", "tocsin", "rollout", "undo", "statefulset/flow")
    else:
        cluster.apply(K8S / "overlays/prod")
    cluster.rolled_out("tocsin")
    assert running(cluster) == before


def test_a_new_image_keeps_the_state(cluster: Kubernetes, edited: Path) -> None:
    """An upgrade replaces the pod, not its volume."""
    cluster.apply(K8S / "overlays/prod")
    cluster.rolled_out("tocsin")
    claim = cluster.get("tocsin", "pvc", "state-flow-0")["metadata"]["uid"]
    overlay = edited / "overlays/prod/kustomization.yaml"
    overlay.write_text(overlay.read_text().replace("newTag: 0.1.0", "newTag: 0.2.0"))
    cluster.apply(edited / "overlays/prod")
    cluster.rolled_out("tocsin")
    pod = cluster.get("tocsin", "pod", "flow-0")
    assert {each["image"] for each in pod["spec"]["containers"]} == {"registry.example.com/tocsin:0.2.0"}
    assert cluster.get("tocsin", "pvc", "state-flow-0")["metadata"]["uid"] == claim


def test_a_lost_volume_is_replaced(cluster: Kubernetes) -> None:
    """Claim and pod deleted: both come again, empty."""
    cluster.apply(K8S / "overlays/prod")
    cluster.rolled_out("tocsin")
    claim = cluster.get("tocsin", "pvc", "state-flow-0")["metadata"]["uid"]
    cluster.kubectl("-n", "tocsin", "delete", "pvc", "state-flow-0", "--wait=false")
    pod = cluster.get("tocsin", "pod", "flow-0")["metadata"]["uid"]
    cluster.kubectl("-n", "tocsin", "delete", "pod", "flow-0", "--wait=false")  # it may be back before a wait for its end begins
    cluster.until(lambda: cluster.get("tocsin", "pod", "flow-0")["metadata"]["uid"] != pod)
    cluster.rolled_out("tocsin")
    assert cluster.get("tocsin", "pvc", "state-flow-0")["metadata"]["uid"] != claim


def test_a_volume_is_put_in_place_of_another(cluster: Kubernetes) -> None:
    """As one made from a snapshot: the flow stops, the claim is made anew, the flow takes it."""
    cluster.apply(K8S / "overlays/prod")
    cluster.rolled_out("tocsin")
    cluster.kubectl("-n", "tocsin", "scale", "statefulset/flow", "--replicas=0")
    cluster.kubectl("-n", "tocsin", "wait", "--for=delete", "pod/flow-0", "--timeout=120s")
    claim = cluster.get("tocsin", "pvc", "state-flow-0")
    cluster.kubectl("-n", "tocsin", "delete", "pvc", "state-flow-0", "--timeout=60s")
    made = {**claim, "metadata": {"name": "state-flow-0", "labels": claim["metadata"]["labels"]}, "status": {}}
    made["spec"].pop("volumeName")
    cluster.kubectl("-n", "tocsin", "create", "-f", "-", text=json.dumps(made))
    wanted = cluster.get("tocsin", "pvc", "state-flow-0")["metadata"]["uid"]
    cluster.kubectl("-n", "tocsin", "scale", "statefulset/flow", "--replicas=1")
    cluster.rolled_out("tocsin")
    assert cluster.get("tocsin", "pvc", "state-flow-0")["metadata"]["uid"] == wanted


def test_the_template_of_volumes_is_changed(cluster: Kubernetes, edited: Path) -> None:
    """It cannot be changed in place: the set is deleted without its pod, and takes it back."""
    cluster.apply(K8S / "overlays/prod")
    cluster.rolled_out("tocsin")
    base = edited / "base" / "statefulset.yaml"
    base.write_text(base.read_text().replace("storage: 10Gi", "storage: 20Gi"))
    command = ("kubectl", "apply", "--server-side", "-k", str(edited / "overlays/prod"))
    assert "Forbidden" in cluster.call(*command, fails=True)
    cluster.kubectl("-n", "tocsin", "delete", "statefulset", "flow", "--cascade=orphan")
    cluster.apply(edited / "overlays/prod")
    cluster.rolled_out("tocsin")
    template = cluster.get("tocsin", "statefulset", "flow")["spec"]["volumeClaimTemplates"][0]
    assert template["spec"]["resources"]["requests"]["storage"] == "20Gi"


def running(cluster: Kubernetes) -> tuple[str, str]:
    """The ConfigMap of the application that the pod mounts, and where its state is."""
    pod = cluster.get("tocsin", "pod", "flow-0")
    application = next(each["configMap"]["name"] for each in pod["spec"]["volumes"] if each["name"] == "application")
    settings = pod["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["name"]
    return application, cluster.get("tocsin", "configmap", settings)["data"]["TOCSIN_STATE"]
