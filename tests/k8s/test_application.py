"""The application that k8s/ ships, as each overlay runs it."""

from __future__ import annotations

from pathlib import Path

from models.application.load import load

K8S = Path(__file__).parent.parent.parent / "k8s"
APPLICATION = K8S / "application" / "app.yaml"


def test_a_login_comes_from_files(tmp_path: Path) -> None:
    """As prod runs it: over TLS, with the password that a Secret holds."""
    (tmp_path / "password").write_text("secret\n")
    (tmp_path / "secure.yaml").write_text(
        (K8S / "overlays/prod/secure.yaml").read_text().replace("/run/secrets/kafka/", f"{tmp_path}/")
    )
    settings = load(APPLICATION, overlays=[tmp_path / "secure.yaml"]).connections["main"]
    assert (settings["sasl.password"], settings["security.protocol"]) == ("secret", "SASL_SSL")


def test_a_backtest_writes_no_topic() -> None:
    """All that it writes goes to files."""
    outputs = load(APPLICATION, overlays=[K8S / "backtest/backtest.yaml"]).outputs
    assert [str(each) for each in (outputs.to, outputs.late, outputs.dead_letters)] == [
        "/out/flags.jsonl",
        "/out/late.jsonl",
        "/out/dead.jsonl",
    ]
