"""``python -m dataflows COMMAND``: the command line."""

from __future__ import annotations

from dataflows.commands.app import main

if __name__ == "__main__":
    main()
