"""Makes an environment small: ``python prune.py pyproject.toml`` leaves what the project's own dependencies need."""

import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from pip._vendor.packaging.requirements import Requirement


def main(project: Path) -> None:
    """Uninstall what is only for development, then tests of libraries, headers, Arrow's RPC and pip itself."""
    wanted = needed(tomllib.loads(project.read_text())["project"]["dependencies"])
    installed = {name_of(each.metadata["Name"]) for each in importlib.metadata.distributions()}
    unused = sorted(installed - wanted - {"pip"})
    subprocess.run([sys.executable, "-m", "pip", "uninstall", "--quiet", "--yes", *unused], check=True)
    libraries = Path(importlib.metadata.distribution("numpy").locate_file(""))
    arrow = libraries / "pyarrow"
    for each in [*libraries.glob("*/**/tests"), arrow / "include", *arrow.glob("*flight*"), *libraries.glob("pip*")]:
        shutil.rmtree(each) if each.is_dir() else each.unlink(missing_ok=True)


def needed(requirements: list[str]) -> set[str]:
    """Names of all distributions that requirements lead to, as installed here."""
    found: set[tuple[str, frozenset[str]]] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        each = waiting.pop()
        key = (name_of(each.name), frozenset(each.extras))
        if key not in found:
            found.add(key)
            more = map(Requirement, importlib.metadata.requires(each.name) or [])
            waiting += [one for one in more if applies(one, each.extras)]
    return {name for name, _ in found}


def applies(requirement: Requirement, extras: set[str]) -> bool:
    """Whether a requirement holds here, with these extras of whoever has it."""
    return requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras | {""})


def name_of(text: str) -> str:
    """A distribution's name in its normal form."""
    return re.sub(r"[-_.]+", "-", text).lower()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
