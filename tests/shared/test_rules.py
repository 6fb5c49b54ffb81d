"""The alert rules by Prometheus' own unit tests: when each fires, when not, and what it says."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ruamel.yaml import YAML

from tests.shared.tools import debian

ROOT = Path(__file__).parent.parent.parent
RULES = ROOT / "k8s" / "components" / "monitoring" / "prometheusrule.yaml"
CASES = Path(__file__).parent / "rules_cases.yaml"


def test_alert_rules(tmp_path: Path) -> None:
    """Checked and tested by promtool."""
    promtool = debian("promtool", "prometheus")
    yaml = YAML(typ="safe")
    yaml.dump(yaml.load(RULES)["spec"], tmp_path / "rules.yaml")
    (tmp_path / "cases.yaml").write_bytes(CASES.read_bytes())
    for command in (["check", "rules", "rules.yaml"], ["test", "rules", "cases.yaml"]):
        done = subprocess.run([promtool, *command], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested() -> None:
    """By at least one case in which it fires, and one in which it does not."""
    yaml = YAML(typ="safe")
    alerts = {rule["alert"] for group in yaml.load(RULES)["spec"]["groups"] for rule in group["rules"]}
    cases = [case for test in yaml.load(CASES)["tests"] for case in test["alert_rule_test"]]
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == alerts
    silent = {case["alertname"] for case in cases if not case["exp_alerts"]}
    others = {"TocsinConsumerLag", "TocsinErrors"}  # a series beside the one that fires stays silent
    assert silent | others == alerts
