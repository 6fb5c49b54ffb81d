"""The image: small, nothing compiled at run time, process 1 that stops as it should, on a read-only root as another user."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataflows.connectors.kafka.embedded import Broker
from tests.commands.test_first import first_of
from tests.kafka.read_back import flags_in
from tests.shared.image import ROOT, Container, based, built, missing

MOST = 1_200_000_000
"""Bytes of all that the image holds: scikit-learn, numba with LLVM, Polars and Arrow are 800 MB."""

pytestmark = [pytest.mark.soak, pytest.mark.skipif(missing() is not None, reason=str(missing()))]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Built once."""
    based(tmp_path_factory.mktemp("base"))
    built()


@pytest.fixture
def container(image: None, tmp_path: Path) -> Iterator[Container]:
    """A container of the image."""
    found = Container(tmp_path)
    yield found
    found.remove()


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A broker of its own."""
    found = Broker().start()
    yield found
    found.stop()


def payments(first: int) -> list[bytes]:
    """Five payments of a card now, which the application's pattern flags once."""
    now = time.time_ns() // 1_000_000
    return [
        json.dumps({"id": f"p{at}", "ts": now + at, "card": f"c{first}", "amount": 400, "country": "DE"}).encode()
        for at in range(first, first + 5)
    ]


def test_what_it_is(container: Container) -> None:
    """Not root, only what is needed, in bounds."""
    assert container.config["User"] == "10001:10001"
    libraries = {each.name for each in (container.root / "opt/tocsin/.venv/lib").glob("python3*/site-packages/*")}
    assert {"bytewax", "numba"} <= libraries and not {"pytest", "mypy", "duckdb", "hypothesis", "pip"} & libraries
    assert not [name for name in ("tests", "benchmarks", "k8s", "docs") if (container.root / "opt/tocsin" / name).exists()]
    size = sum(each.lstat().st_size for each in container.root.rglob("*") if each.is_file() and not each.is_symlink())
    assert size < MOST, f"{size:,}"


def test_the_root_is_read_only(container: Container) -> None:
    """Rules are checked all the same; nothing there can be written."""
    code, told = container.run("check", "/opt/tocsin/examples/card-fraud/app.yaml")
    assert code == 0, told
    code, told = container.run("init", "/opt/tocsin/mine")
    assert code != 0 and "Traceback" not in told


def test_a_live_run(container: Container, broker: Broker) -> None:
    """Flags come; SIGTERM to process 1 drains; started again it goes on; no kernel was compiled meanwhile."""
    for topic in ("payments", "flags", "flags-late", "flags-dead"):
        broker.topic(2, topic)
    (container.state / "app.yaml").write_bytes((ROOT / "k8s/application/app.yaml").read_bytes())
    variables = {"BROKERS": broker.servers, "TOCSIN_STATE": "/state/1"}
    for turn in (0, 1):
        broker.send("payments", payments(turn * 10), turn)
        running = container.start("run", "/state/app.yaml", **variables)
        flags = flags_in(broker, "flags", 2 + 2 * turn, 120)
        os.kill(first_of(running), signal.SIGTERM)
        _, told = running.communicate(timeout=60)
        assert running.returncode == 0, told
        assert [flag["data"]["key"]["card"] for flag in flags] == ["c0", "c10"][: turn + 1]
    kernels = container.tmp / "kernels"
    assert any(each.is_symlink() for each in kernels.rglob("*.nbc"))
    assert not [each for each in kernels.rglob("*") if each.is_file() and not each.is_symlink()]
