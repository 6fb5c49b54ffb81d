"""The four packages are this repository's, whatever else is installed."""

import importlib
import importlib.metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ["dataflows", "enrichers", "models", "agents"]


@pytest.mark.parametrize("name", PACKAGES)
def test_package_is_ours(name: str) -> None:
    """Each package resolves inside the repository."""
    file = importlib.import_module(name).__file__
    assert file is not None
    assert Path(file).is_relative_to(ROOT)


def test_no_foreign_owner() -> None:
    """No installed distribution brings a package of the same name."""
    owners = importlib.metadata.packages_distributions()
    assert not {name: owners[name] for name in PACKAGES if name in owners}
