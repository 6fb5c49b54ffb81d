"""An example's application where its data are: what it names beside itself goes with it."""

from __future__ import annotations

import shutil
from pathlib import Path


def lay_beside(application: Path, folder: Path) -> None:
    """Copy the prompts and the models of an application file into a folder."""
    for name in ("prompts", "models"):
        shutil.copytree(application.parent / name, folder / name, dirs_exist_ok=True)
