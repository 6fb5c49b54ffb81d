"""A worker process of a run that is killed at a random call, where its number is the first of TOCSIN_KILL: ``NUMBER AFTER``."""

from __future__ import annotations

import os
import random
import sys
from dataclasses import replace
from datetime import timedelta

from dataflows import running
from dataflows.commands.app import command
from tests.laws.crashes import arm, small_reads

if __name__ == "__main__":
    number, after, seed = map(int, os.environ["TOCSIN_KILL"].split())
    small_reads(random.Random(seed))
    if sys.argv[-1].startswith(f"{number}|"):
        arm(after)
    flow = running._flow
    running._flow = lambda job, *more: flow(replace(job, epoch=timedelta(milliseconds=20)), *more)  # type: ignore[assignment]
    sys.exit(command(sys.argv[1:]))
