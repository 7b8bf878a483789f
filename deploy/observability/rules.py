"""The rules as Prometheus reads them, out of alerts.yaml and the objectives, and as its operator does."""

from pathlib import Path
from typing import Any

import yaml

from deploy.observability import slos

ALERTS = Path(__file__).with_name("alerts.yaml")
HEAD = "# Made by `python -m deploy.observability` of deploy/observability; a test holds that it is what that makes.\n"


def groups() -> list[dict[str, Any]]:
    """Prometheus' groups, each alert with its runbook, a path in this repository."""
    found = [*slos.groups(), *yaml.safe_load(ALERTS.read_text())["groups"]]
    return [
        {"name": f"artemis-{group['name']}", "rules": [_with_runbook(rule, group["name"]) for rule in group["rules"]]}
        for group in found
    ]


def _with_runbook(rule: dict[str, Any], group: str) -> dict[str, Any]:
    if "alert" not in rule:
        return rule
    anchor = rule["labels"].get("objective", rule["alert"]).lower().replace("_", "-")
    runbook = f"deploy/runbooks/{group}.md#{anchor}"
    return {**rule, "annotations": {**rule["annotations"], "runbook": runbook}}


def plain() -> str:
    """For promtool, and for a Prometheus without the operator."""
    return yaml.safe_dump({"groups": groups()}, sort_keys=False, width=120, allow_unicode=True)


def custom_resource() -> str:
    """Flux must not take {{ $labels }} for settings of its own."""
    whole = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": "artemis",
            "namespace": "artemis",
            "annotations": {"kustomize.toolkit.fluxcd.io/substitute": "disabled"},
        },
        "spec": {"groups": groups()},
    }
    return HEAD + yaml.safe_dump(whole, sort_keys=False, width=120, allow_unicode=True)
