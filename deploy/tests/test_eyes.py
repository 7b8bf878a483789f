"""Who tells of the edge stands beside nginx, lives longer than it, and answers Prometheus alone."""

import subprocess
import sys
from typing import Any

import pytest

from deploy.checks import rendering
from deploy.checks.network import Network, Pod
from deploy.checks.rendering import DEPLOY, ENVIRONMENTS, Object
from deploy.checks.workloads import Workload, of_kind, workloads
from deploy.images import dockerfile
from deploy.tests.test_network import OUTSIDE, ends
from deploy.tests.test_workloads import everything

WATCHED = ("staging", "production")
COLLECTOR = Pod({"app.kubernetes.io/name": "opentelemetry-collector"}, "monitoring")


def edge_of(objects: list[Object]) -> Workload:
    (edge,) = [one for one in workloads(objects) if one.name == "edge"]
    return edge


def environment_of(container: Object) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container.get("env", [])}


def traced() -> list[Object]:
    folder = DEPLOY / "tests" / "kustomize" / "tracing-edge"
    return rendering.substituted(rendering.text(folder), rendering.settings("production"))


def given(container: Object, name: str) -> str:
    (value,) = [one.partition("=")[2] for one in container["args"] if one.startswith(f"--{name}=")]
    return str(value)


@pytest.mark.parametrize("environment", WATCHED)
def test_it_hears_what_nginx_says_and_ends_after_it(environment: str) -> None:
    edge = edge_of(rendering.overlay(environment))
    (nginx,), (eyes,) = edge.containers, edge.spec["initContainers"]
    assert eyes["restartPolicy"] == "Always"
    assert given(eyes, "nginx") == f"127.0.0.1:{environment_of(nginx)['EDGE_EYES_PORT']}"
    (port,) = [one for one in eyes["ports"] if one["name"] == "metrics"]
    assert given(eyes, "port") == str(port["containerPort"])
    assert "EDGE_TRACES" not in environment_of(nginx)
    assert "secretRef" not in str(eyes)


def test_where_there_is_no_prometheus_there_is_none() -> None:
    edge = edge_of(rendering.overlay("development"))
    assert "initContainers" not in edge.spec
    assert environment_of(edge.containers[0]) == {}


@pytest.mark.parametrize("environment", WATCHED)
def test_prometheus_asks_it(environment: str) -> None:
    objects = rendering.overlay(environment)
    monitor, edge = of_kind(objects, "PodMonitor")["edge"]["spec"], edge_of(objects)
    assert monitor["selector"]["matchLabels"].items() <= edge.labels.items()
    (endpoint,) = monitor["podMetricsEndpoints"]
    assert endpoint["port"] in {one["name"] for one in edge.spec["initContainers"][0]["ports"]}
    assert monitor["podTargetLabels"] == ["app.kubernetes.io/name"], "alerts ask for it"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_nobody_else_reaches_it(environment: str) -> None:
    objects = rendering.overlay(environment)
    network, known = Network.of(objects), ends(environment)
    allowed = {name for name, end in known.items() if network.lets_in(end, known["edge"], 8002)}
    assert allowed == ({"prometheus"} if environment in WATCHED else set())
    assert not network.lets_in(OUTSIDE["prometheus"], known["edge"], 5140)
    (service,) = [one for one in objects if one["kind"] == "Service" and one["metadata"]["name"] == "edge"]
    assert {one["targetPort"] for one in service["spec"]["ports"]} == {"http", "https"}


def test_spans_go_to_the_collector_alone() -> None:
    edge = edge_of(traced())
    (nginx,), (eyes,) = edge.containers, edge.spec["initContainers"]
    settings: dict[str, Any] = environment_of(eyes)
    assert settings["OTEL_EXPORTER_OTLP_ENDPOINT"] == f"http://opentelemetry-collector.monitoring.svc:{4318}"
    assert environment_of(nginx).keys() == {"EDGE_EYES_PORT", "EDGE_TRACES"}
    without, with_it = Network.of(everything("production")), Network.of([*everything("production"), *traced()])
    pod = Pod(edge.labels)
    assert not without.allows(pod, COLLECTOR, 4318)
    assert with_it.allows(pod, COLLECTOR, 4318)
    assert not with_it.allows(pod, COLLECTOR, 4317)
    assert not with_it.allows(pod, OUTSIDE["prometheus"], 4318)
    assert not with_it.allows(pod, OUTSIDE["internet"], 4318)


def test_its_code_is_in_the_image_and_takes_nothing_of_django() -> None:
    for file in ("__init__", "__main__", "lines", "counts", "connections", "spans"):
        assert dockerfile.reaches_a_builder(f"deploy/eyes/{file}.py", root=DEPLOY.parent)
    assert "COPY deploy/eyes deploy/eyes/" in (DEPLOY / "images" / "platform.Dockerfile").read_text()
    look = "import sys, deploy.eyes.__main__, deploy.eyes.spans; print({'django', 'litellm'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", look], cwd=DEPLOY.parent, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
