"""The conformance cases of the language, from the library beside the checkout: every one holds, none is left out."""

from pathlib import Path

import pytest

from dataflows.testing import run_tests
from models.application.load import load

FILES = sorted((Path(__file__).parents[3] / "shared" / "conformance").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_case_holds(path: Path) -> None:
    """Each file's inline tests, all of them."""
    application = load(path)
    results = list(run_tests(application))
    assert len(results) == len(application.tests) > 0
    assert not [(result.test.name, result.problems) for result in results if not result.ok]


def test_there_are_cases() -> None:
    """An empty folder would pass unseen."""
    assert len(FILES) >= 16
