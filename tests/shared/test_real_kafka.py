"""What holds on the broker in memory holds on a real Kafka: laws 2, 3, 4 and 6, stops, and the same flags as over files."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataflows.connectors.kafka.embedded import Broker
from tests.kafka.test_cloudevents import *  # noqa: F403 - the same tests, with this folder's broker
from tests.kafka.test_command import test_sigterm_drains_and_exits_0  # noqa: F401
from tests.kafka.test_crash import *  # noqa: F403
from tests.kafka.test_crash import kills_change_nothing, through_kills_and_drains
from tests.kafka.test_end_to_end import test_topics_give_what_files_give  # noqa: F401
from tests.kafka.test_middle import test_a_run_from_the_middle_marks_what_it_cannot_know  # noqa: F401
from tests.kafka.test_stop import test_a_stopped_run_goes_on, test_workers_end_with_whoever_started_them  # noqa: F401
from tests.shared.stack import FOLDER

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="the servers' scripts lie beside the checkout, and there is none"),
]


@pytest.mark.parametrize("seed", [1, 2])
def test_many_kills_at_random_calls(seed: int, broker: Broker, tmp_path: Path) -> None:
    """Law 2: ten kills and more, anywhere in sources, shards and sinks."""
    assert kills_change_nothing(seed, broker, tmp_path, 2_000, 20) >= 10


@pytest.mark.parametrize("seed", [1, 2])
def test_many_kills_and_drains_at_random_moments(seed: int, broker: Broker, tmp_path: Path) -> None:
    """Laws 2, 3 and 4: live, with silence, twelve kills -9 and four SIGTERMs; then a replay gives the same flags byte for byte."""
    through_kills_and_drains(seed, broker, tmp_path, kills=12, drains=4)
