"""Autoscaling asks for figures that exist, one number a query, and never for the processor's load."""

import re
from pathlib import Path
from types import ModuleType

import pytest
from prometheus_client import REGISTRY

from apps.gateway import demand, exposition, telemetry
from deploy.checks import rendering
from deploy.checks.rendering import ENVIRONMENTS, Object
from deploy.checks.workloads import Workload, of_kind, selects, workloads
from deploy.tests.test_workloads import everything
from inference import load

QUERY = re.compile(r"(sum|max)\(([a-z_:]+)\{namespace=\"artemis\"[^{}]*\}\)")
SCALED = [environment for environment in ENVIRONMENTS if of_kind(everything(environment), "ScaledObject")]


def test_where_there_is_any() -> None:
    assert SCALED == ["staging", "production"]
    assert set(of_kind(everything("production"), "ScaledObject")) == {"gateway", "worker", "vllm-qwen3-4b"}


def names_of_figures() -> set[str]:
    """What the platform tells Prometheus, and what the router reads of vLLM."""
    assert telemetry.IN_FLIGHT
    own = {metric.name for metric in REGISTRY.collect()}
    of_redis = set(re.findall(r'GaugeMetricFamily\(\s*"(\w+)"', open_text(exposition)))
    of_engines = {f"vllm:{name}" for name in re.findall(r"num_requests_\w+", open_text(load))}
    return own | of_redis | of_engines


def open_text(module: ModuleType) -> str:
    return Path(str(module.__file__)).read_text()


@pytest.mark.parametrize("environment", SCALED)
def test_queries(environment: str) -> None:
    figures = names_of_figures()
    for scaled in of_kind(everything(environment), "ScaledObject").values():
        for trigger in scaled["spec"]["triggers"]:
            assert trigger["type"] == "prometheus"
            match = QUERY.fullmatch(trigger["metadata"]["query"])
            assert match, trigger
            assert match[2] in figures
            assert trigger["metadata"]["serverAddress"].startswith("http://")


@pytest.mark.parametrize("environment", SCALED)
def test_a_scaled_workload_says_no_number_of_its_own(environment: str) -> None:
    """Else Flux and KEDA would each set theirs, in turn."""
    for scaled in of_kind(everything(environment), "ScaledObject").values():
        target = scaled["spec"]["scaleTargetRef"]
        kind, name = target.get("kind", "Deployment"), target["name"]
        if kind == "StatefulSet":
            workload = component_workload(name)
        else:
            workload = of_kind(rendering.overlay(environment), kind)[name]
        assert "replicas" not in workload["spec"]
        assert scaled["spec"]["minReplicaCount"] <= scaled["spec"]["maxReplicaCount"]
        assert scaled["spec"]["fallback"]["replicas"] <= scaled["spec"]["maxReplicaCount"]


def component_workload(name: str) -> Object:
    folder = rendering.DEPLOY / "tests" / "kustomize" / "keda-engines"
    rendered = rendering.substituted(rendering.text(folder), rendering.settings("production"))
    return of_kind(rendered, "StatefulSet")[name]


@pytest.mark.parametrize("environment", SCALED)
def test_prometheus_scrapes_what_is_asked_for(environment: str) -> None:
    objects = rendering.overlay(environment)
    scraped = set()
    for monitor in of_kind(objects, "PodMonitor").values():
        for workload in workloads(objects):
            if selects(monitor["spec"]["selector"], workload.labels):
                scraped.add(workload.name)
                running = [*workload.containers, *sidecars(workload)]
                ports = {port["name"] for one in running for port in one["ports"]}
                assert {one["port"] for one in monitor["spec"]["podMetricsEndpoints"]} <= ports
    assert scraped == {"gateway", "portal", "worker", "edge", "vllm-qwen3-4b", "embeddings"}
    assert set(of_kind(objects, "PodMonitor")) == {
        "platform",
        "workers",
        "edge",
        "engines",
        "postgres",
        "postgres-pooler",
    }
    for name in ("platform", "workers"):
        (endpoint,) = of_kind(objects, "PodMonitor")[name]["spec"]["podMetricsEndpoints"]
        assert endpoint["authorization"]["credentials"] == {"name": "metrics", "key": "METRICS_TOKEN"}


def sidecars(workload: Workload) -> list[Object]:
    return [one for one in workload.spec.get("initContainers", ()) if one.get("restartPolicy") == "Always"]


def test_none_while_nobody_asks_and_one_when_somebody_does() -> None:
    """By a figure that is there without an engine; vLLM's own are not."""
    folder = rendering.DEPLOY / "tests" / "kustomize" / "keda-engines-to-zero"
    objects = rendering.substituted(rendering.text(folder), rendering.settings("production"))
    (scaled,) = of_kind(objects, "ScaledObject").values()
    assert "replicas" not in of_kind(objects, "StatefulSet")[scaled["spec"]["scaleTargetRef"]["name"]]["spec"]
    assert scaled["spec"]["minReplicaCount"] == 0 < scaled["spec"]["fallback"]["replicas"]
    (trigger,) = scaled["spec"]["triggers"]
    match = QUERY.fullmatch(trigger["metadata"]["query"])
    assert match and match[2] == "artemis_model_demand"
    assert match[2] in {metric.name for metric in REGISTRY.collect()}
    assert trigger["metadata"]["activationThreshold"] == "0"
    model = of_kind(objects, "StatefulSet")["vllm-qwen3-4b"]["spec"]["template"]["metadata"]["labels"]["artemis/model"]
    assert f'model="{model}"' in match[0]
    assert scaled["spec"]["cooldownPeriod"] > demand.PEAK_SECONDS * 2
