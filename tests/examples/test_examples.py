"""Every example's inline tests pass."""

from pathlib import Path

import pytest

from dataflows.testing import run_tests
from models.application.load import load

EXAMPLES = sorted((Path(__file__).parent.parent.parent / "examples").glob("*/app.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_inline_tests_pass(path: Path) -> None:
    """Each test of the example finds what it expects, and nothing else."""
    results = list(run_tests(load(path)))
    assert results
    assert not [(result.test.name, result.problems) for result in results if not result.ok]
