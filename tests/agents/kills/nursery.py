"""Runs responders as forked children, each with its kill point: one start of Python for many short lives.

A line on standard input is an order {"application", "flags", "ledger", "lease", "kill"}; the child's exit code is printed.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import tempfile
from pathlib import Path

import dataflows.commands.responding as responding
from agents.ledger import killpoint
from agents.llm import asking
from tests.agents.flags import flag


def live(order: dict[str, str]) -> None:
    """One life: the whole input, then what is due."""
    killpoint._PLAN = order["kill"]
    asking._LEASE = int(float(order["lease"]) * 1_000_000)  # calls of the dead are given up as soon as their other leases
    options = responding.Options(
        Path(order["application"]), Path(order["flags"]), True, order["ledger"], False, {}, (), float(order["lease"])
    )
    with responding.opened(options) as (service, source):
        asyncio.run(service.once(source))


def warm(order: dict[str, str]) -> None:
    """Live once with a flag and a ledger of no account, so that children find everything loaded and compiled."""
    with tempfile.TemporaryDirectory() as folder:
        flags = Path(folder) / "flags.jsonl"
        flags.write_text(json.dumps(flag(0, amount="10.00")) + "\n")
        live({**order, "flags": str(flags), "ledger": f"sqlite:///{folder}/ledger.db", "kill": ""})
    gc.freeze()


def main() -> None:
    """Order by order, until the input ends; whatever else is printed goes to standard error."""
    told = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    warmed = False
    for line in sys.stdin:
        order = json.loads(line)
        if not warmed:
            warm(order)
            warmed = True
        child = os.fork()
        if child == 0:
            code = 1
            try:
                live(order)
                code = 0
            finally:
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), file=told, flush=True)


if __name__ == "__main__":
    main()
