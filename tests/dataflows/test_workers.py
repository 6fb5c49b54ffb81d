"""How worker processes end, and whose error is told."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dataflows.runtime import workers
from dataflows.runtime.workers import LOST_PEER, all_ended, failure_of


def started(code: str) -> subprocess.Popen[bytes]:
    """A worker."""
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)


def test_one_that_hangs_after_another_has_failed_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of them hangs, the second fails."""
    monkeypatch.setattr(workers, "_ROUNDS", 3)
    hanging = started("import time; time.sleep(600)")
    try:
        assert all_ended([hanging, started("raise SystemExit(4)")], lambda: False) == [0, 4]
    finally:
        hanging.kill()
        hanging.wait()


@pytest.mark.parametrize(
    ("codes", "texts", "code", "message"),
    [
        ([3, 1], [LOST_PEER, "app.yaml: bad"], 1, "app.yaml: bad"),
        ([3, 3], ["topic 'x' does not exist", LOST_PEER], 3, "topic 'x' does not exist"),
        ([3, -signal.SIGKILL], [LOST_PEER, ""], 3, "worker process 2 of 2 was killed (SIGKILL): was memory short? Start again: a run with --state goes on from its last epoch"),
        ([-signal.SIGABRT, -signal.SIGSEGV], ["", ""], 3, "worker process 2 of 2 was killed (SIGSEGV). Start again: a run with --state goes on from its last epoch"),
        ([3, 3], [LOST_PEER, LOST_PEER], 3, LOST_PEER),
        ([3, 0], ["", ""], 3, "a worker process ended without a message"),
    ],
)
def test_whose_error_is_told(codes: list[int], texts: list[str], code: int, message: str, tmp_path: Path) -> None:
    """The one that failed on its own, then one that was killed; its exit code stays."""
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.err").write_text(text)
    found = failure_of(codes, tmp_path)
    assert (str(found), found.code) == (message, code)
