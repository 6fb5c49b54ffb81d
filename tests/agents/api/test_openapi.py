"""The API keeps to its own description, whatever it is sent (schemathesis, bounded)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.agents.api.serving import AS, application, filled

BEYOND = [positive_data_acceptance]
"""Cursors, verdicts and conditions obey more than a JSON Schema can say: they are refused with 422."""
EVENTS = "/v1/events"
"""It never ends."""


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder: Path = tmp_path_factory.mktemp("api")
    ledger = filled(folder)
    yield schemathesis.openapi.from_asgi("/openapi.json", application(folder, ledger))
    ledger.close()


@pytest.mark.parametrize("mode", [*GenerationMode])
def test_nothing_breaks_the_description(schema: Any, mode: GenerationMode) -> None:
    """Every operation with fitting and unfitting requests: no 5xx, no undocumented status, type or form."""
    tried = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path == EVENTS:
            continue

        @settings(max_examples=12, deadline=None, suppress_health_check=[*HealthCheck], database=None)
        @given(case=operation.as_strategy(generation_mode=mode))
        def holds(case: Case) -> None:
            case.call_and_validate(headers={"Authorization": AS["ada"]["authorization"]}, excluded_checks=BEYOND)

        holds()
        tried += 1
    assert tried > 15


def test_without_a_token_nothing_but_401(schema: Any) -> None:
    for result in schema.get_all_operations():
        operation = result.ok()
        case = operation.Case(path_parameters=dict.fromkeys(("flag", "decision_id", "task_id", "key", "name", "silence"), "x"))
        assert case.call(headers={"authorization": "Bearer wrong"}).status_code in (401, 422), operation.label
