"""The login with which ``init`` samples a topic: from a file and ``--set``; secrets are used and never written."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataflows.commands.failures import UserError
from dataflows.commands.logins import login


def test_settings_of_a_file_and_given_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given ones go before; a secret's text becomes a variable, a reference stays as it is."""
    monkeypatch.setenv("OTHER", "of-the-environment")
    (tmp_path / "client.properties").write_text(
        "# a comment\n\nbootstrap.servers = broker:9093\nsasl.username=tocsin\nsasl.password=hidden=1\nssl.key.password=${OTHER}\n"
    )
    found = login("127.0.0.1:9092", tmp_path / "client.properties", ["sasl.username=somebody"])
    assert found.used == {
        "bootstrap.servers": "broker:9093", "sasl.username": "somebody", "sasl.password": "hidden=1", "ssl.key.password": "of-the-environment",
    }  # fmt: skip
    assert found.written == {**found.used, "sasl.password": "${SASL_PASSWORD:-}", "ssl.key.password": "${OTHER}"}
    assert found.unset == ["SASL_PASSWORD"]


def test_without_any_the_brokers_are_a_variable() -> None:
    assert login("a:1", None, None) == ({"bootstrap.servers": "a:1"}, {"bootstrap.servers": "${BROKERS:-a:1}"}, [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sasl.password", "client.properties:1: expected a setting of librdkafka, KEY=VALUE; found no ="),
        ("sasl.password=${NOT_THERE}", "sasl.password: expected the environment variable NOT_THERE; it is not set"),
        ("sasl.password=${file:/not/there}", "sasl.password: /not/there: cannot be read"),
        ("sasl.password=${}", "sasl.password: expected ${NAME}"),
    ],
)
def test_mistakes(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "client.properties").write_text(text)
    with pytest.raises(UserError) as found:
        login("a:1", tmp_path / "client.properties", None)
    assert message in str(found.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read: No such file"):
        login("a:1", tmp_path / "none", None)
