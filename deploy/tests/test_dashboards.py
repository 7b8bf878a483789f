"""Dashboards are what Grafana loads: their ConfigMaps, their panels, queries that Prometheus understands."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from deploy.checks import rendering
from deploy.checks.workloads import of_kind, workloads
from deploy.observability import dashboards
from deploy.observability.boards import DASHBOARDS
from deploy.observability.named import NAME, expressions, named


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_they_are_provisioned(environment: str) -> None:
    maps = of_kind(rendering.overlay(environment, "platform"), "ConfigMap")
    found = {name: one for name, one in maps.items() if name.startswith("dashboard-")}
    assert len(found) == len(DASHBOARDS) == 5
    for board in DASHBOARDS:
        one = found[board.uid.replace("artemis-", "dashboard-")]
        assert one["metadata"]["labels"] == {"grafana_dashboard": "1"}
        assert one["metadata"]["annotations"]["kustomize.toolkit.fluxcd.io/substitute"] == "disabled"
        assert one["data"] == {f"{board.uid}.json": dashboards.rendered(board)}


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.uid)
def test_panels_lie_beside_each_other(board: dashboards.Dashboard) -> None:
    panels = json.loads(dashboards.rendered(board))["panels"]
    assert len({one["id"] for one in panels}) == len(panels) == sum(map(len, board.panels))
    taken: set[tuple[int, int]] = set()
    for place in (one["gridPos"] for one in panels):
        cells = {(x, place["y"]) for x in range(place["x"], place["x"] + place["w"])}
        assert not cells & taken
        assert place["x"] + place["w"] <= dashboards.WIDTH
        taken |= cells


def test_nothing_looks_like_a_setting_of_flux() -> None:
    assert not [board.uid for board in DASHBOARDS if rendering.VARIABLE.search(dashboards.rendered(board))]


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not here (apt: prometheus)")
def test_prometheus_understands_each_query(tmp_path: Path) -> None:
    rules = [
        {"record": f"query_{number}", "expr": expression.replace("$__rate_interval", "5m")}
        for number, expression in enumerate(expressions().values())
    ]
    assert len(rules) > 80
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", tmp_path / "rules.yaml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_names_are_found() -> None:
    assert NAME.findall('sum by (le) (rate(a_bucket{x="y"}[5m])) / artemis:b > absent(DCGM_C)') == [
        *("a_bucket", "artemis:b", "DCGM_C"),
    ]
    assert named()["SpoolNotEmpty"] == {"artemis_spool_settlements"}


def test_each_scraped_workload_has_an_alert_that_it_is_away() -> None:
    text = " ".join(expressions()[name] for name in ("GatewayAway", "WorkerAway", "EngineAway"))
    for workload in workloads(rendering.overlay("production")):
        if workload.labels["app.kubernetes.io/component"] == "engine" or workload.name in ("gateway", "worker"):
            assert (
                workload.labels["app.kubernetes.io/name"] in text or "vllm" in workload.labels["app.kubernetes.io/name"]
            )
