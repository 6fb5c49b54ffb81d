"""The first process of a container: the command runs as its child, hears every signal, and orphans are buried."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

_HANDED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_HEARD = {*_HANDED_ON, signal.SIGCHLD}


def as_first_process(command: Callable[[], None]) -> None:
    """Run a command so that it may be process 1: there the kernel drops signals without a handler, and nobody else buries orphans.

    The command ends the child; this process ends with its exit code, 128 + N where signal N killed it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)  # from before there is a child: no signal is lost
    child = os.fork()
    if child == 0:
        _own_group()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        command()
        return
    code = None
    while code is None:
        number = signal.sigwait(_HEARD)
        if number == signal.SIGCHLD:
            code = _buried(child)
        else:
            os.kill(child, number)
    sys.exit(code if code >= 0 else 128 - code)


def _own_group() -> None:
    """Let a terminal's Ctrl-C reach the command once, not also through its parent."""
    os.setpgid(0, 0)
    if os.isatty(0):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        os.tcsetpgrp(0, os.getpgrp())


def _buried(child: int) -> int | None:
    """Take the exit codes of all that have ended; the child's, None while it runs."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return None
        if pid == 0:
            return None
        if pid == child:
            return os.waitstatus_to_exitcode(status)
