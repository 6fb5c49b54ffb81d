"""Process 1 of a container, in a process namespace of its own: signals, orphans, exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
NAMESPACE = ["unshare", *(["--user", "--map-root-user"] if os.getuid() else []), "--pid", "--fork", "--kill-child"]
FIRST = "from dataflows.commands.first import as_first_process as first\nimport os, signal, subprocess, sys, time\n"
ORPHAN = """
def main():
    pid = int(subprocess.run(["sh", "-c", "sleep 0.05 & echo $!"], stdout=subprocess.PIPE, check=True).stdout)
    for _ in range(3000):
        try:
            os.kill(pid, 0)  # works on the dead, too, until somebody buries them
        except ProcessLookupError:
            sys.exit(7)
        time.sleep(0.01)
first(main)
"""
HANDLER = """
def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
    print("up", flush=True)
    while True: signal.pause()
first(main)
"""


def allowed() -> bool:
    """Whether this machine lets a test have a process namespace."""
    try:
        return subprocess.run([*NAMESPACE, "true"], capture_output=True, timeout=10, check=False).returncode == 0
    except OSError:
        return False


pytestmark = pytest.mark.skipif(not allowed(), reason="process namespaces (unshare) are not allowed on this machine")


def contained(*command: str) -> subprocess.Popen[str]:
    """A command as process 1."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([*NAMESPACE, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment)


def first_of(process: subprocess.Popen[str]) -> int:
    """The process's number outside of its namespace."""
    return int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])


def test_orphans_are_buried() -> None:
    """What an ended shell leaves behind becomes no zombie; the exit code is the command's."""
    process = contained(sys.executable, "-c", FIRST + ORPHAN)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 7, told


def test_signals_reach_the_command() -> None:
    """A handler answers, though the kernel hands process 1 only what it has a handler for."""
    process = contained(sys.executable, "-c", FIRST + HANDLER)
    assert process.stdout is not None and process.stdout.readline() == "up\n"
    os.kill(first_of(process), signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 5


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 128 + 15), (signal.SIGINT, 130)])
def test_a_run_that_has_nothing_to_save_ends_at_once(number: int, code: int, tmp_path: Path) -> None:
    """Over files, waiting for rows: as outside of a container."""
    pipe = tmp_path / "tx.jsonl"
    os.mkfifo(pipe)
    (tmp_path / "app.yaml").write_text(
        "tocsin: 1\nname: shop\nstreams:\n  tx:\n    from: {file: tx.jsonl}\n    time: ts\n    fields: {ts: timestamp}\n"
        "patterns: {p: {when: ts is null}}\nflags: {to: {file: flags.jsonl}}\n"
    )
    process = contained(sys.executable, "-m", "dataflows", "run", str(tmp_path / "app.yaml"))
    with pipe.open("wb"):  # opened by the run: it waits for rows now
        os.kill(first_of(process), number)
        _, told = process.communicate(timeout=60)
    assert process.returncode == code, told
    assert "Traceback" not in told
