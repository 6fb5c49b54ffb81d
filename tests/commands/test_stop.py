"""A stop has a deadline, whatever the run is waiting for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
BODY = """
import os, signal, sys, threading
from dataflows.commands.stop import Stop
stop = Stop(float(sys.argv[1]))
with stop.listening():
    os.kill(os.getpid(), signal.SIGTERM)
    assert stop.asked()
    if sys.argv[2] == "hangs":
        never = threading.Lock()
        with never, never:
            pass
print("ended by itself")
"""


def stopped(deadline: str, how: str) -> subprocess.CompletedProcess[str]:
    """What asks itself to stop."""
    command = [sys.executable, "-c", BODY, deadline, how]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_a_run_that_hangs_is_ended() -> None:
    """Exit code 3, with what that means."""
    done = stopped("0.2", "hangs")
    assert done.returncode == 3
    assert done.stderr == "the run did not stop within 0.2 s and is ended: a run with --state goes on from its last epoch\n"


def test_a_run_that_stops_in_time_is_left_alone() -> None:
    """Nothing is told."""
    done = stopped("60", "ends")
    assert (done.returncode, done.stdout, done.stderr) == (0, "ended by itself\n", "")
