"""``python -m dataflows COMMAND``: the command line."""

from __future__ import annotations

import os

from dataflows.commands.first import as_first_process


def command() -> None:
    """Run the command; what it needs is imported here, so that a container's first process stays small."""
    from dataflows.commands.app import main

    main()


if __name__ == "__main__":
    if os.getpid() == 1:
        as_first_process(command)
    else:
        command()
