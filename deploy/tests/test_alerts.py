"""Each alert fires when it should and not when it should not, by promtool with made series; its runbook is there."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.checks import rendering
from deploy.checks.rendering import DEPLOY
from deploy.checks.schemas import complaints
from deploy.checks.workloads import of_kind
from deploy.observability import rules
from deploy.observability.rendered import files
from deploy.tests.alert_cases import CASES

ALERTS = {rule["alert"]: rule for group in rules.groups() for rule in group["rules"] if "alert" in rule}
needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not here (apt: prometheus)")


def test_what_is_committed_is_what_is_rendered() -> None:
    for path, text in files().items():
        assert path.read_text() == text, f"{path}: run `python -m deploy.observability`"


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_they_are_applied(environment: str) -> None:
    found = of_kind(rendering.overlay(environment, "platform"), "PrometheusRule")
    assert found["artemis"]["spec"]["groups"] == rules.groups()
    assert list(complaints(found["artemis"])) == []


def test_each_alert_has_cases() -> None:
    assert CASES.keys() == ALERTS.keys()


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_says_what_to_do(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"].endswith(".")
    path, _, anchor = rule["annotations"]["runbook"].partition("#")
    text = (DEPLOY.parent / path).read_text()
    (section,) = re.findall(rf"(?im)^## {re.escape(anchor)}$(.*?)(?=^## |\Z)", text, re.DOTALL)
    for part in ("**Means:** ", "**Look:** ", "**Do:** "):
        assert part in section


def promtool(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    (folder / "rules.yaml").write_text(rules.plain())
    return subprocess.run(["promtool", *arguments], cwd=folder, capture_output=True, text=True, check=False)


def unit(alert: str, series: dict[str, str], minute: int, fires: bool) -> dict[str, Any]:
    asked = f'count(ALERTS{{alertname="{alert}", alertstate="firing"}})'
    return {
        "name": f"{alert} {'fires' if fires else 'is quiet'}",
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": asked,
                "eval_time": f"{minute}m",
                "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
            }
        ],
    }


@needs_promtool
def test_the_rules_are_rules(tmp_path: Path) -> None:
    done = promtool(tmp_path, "check", "rules", "rules.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.parametrize("alert", CASES)
def test_it_fires_and_is_quiet(alert: str, tmp_path: Path) -> None:
    case = CASES[alert]
    units = [unit(alert, case.fires, case.at, True), unit(alert, case.quiet, case.at, False)]
    whole = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": units}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(whole))
    done = promtool(tmp_path, "test", "rules", "test.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_a_wrong_expectation_is_noticed(tmp_path: Path) -> None:
    case = CASES["SpoolNotEmpty"]
    whole = {"rule_files": ["rules.yaml"], "tests": [unit("SpoolNotEmpty", case.quiet, case.at, True)]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(whole))
    assert promtool(tmp_path, "test", "rules", "test.yaml").returncode != 0
