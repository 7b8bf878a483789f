"""What holds for every workload of every environment: confinement, bounds, probes, budgets, places, endings."""

import functools
import importlib.util

import pytest
from django.core.management import get_commands

from deploy.checks import rendering
from deploy.checks.network import Network, Pod
from deploy.checks.rendering import DEPLOY, ENVIRONMENTS, Object
from deploy.checks.workloads import Workload, of_kind, selects, workloads

OPTIONAL = ("litellm", "keda/engines")
"""Components that no overlay takes; they must be as good."""


@functools.cache
def everything(environment: str) -> list[Object]:
    objects = rendering.overlay(environment)
    if environment == "production":
        return [*objects, *(one for name in OPTIONAL for one in with_component(name))]
    return objects


def with_component(name: str) -> list[Object]:
    """What production's engines have more with it."""
    plain = {rendering.name_of(one) for one in rendering.overlay("production", "engines")}
    folder = DEPLOY / "tests" / "kustomize" / name.replace("/", "-")
    rendered = rendering.substituted(rendering.text(folder), rendering.settings("production"))
    return [one for one in rendered if rendering.name_of(one) not in plain]


CASES = [
    pytest.param(environment, one, id=f"{environment}-{one.name}")
    for environment in ENVIRONMENTS
    for one in workloads(everything(environment))
]
each_workload = pytest.mark.parametrize(("environment", "workload"), CASES)


def test_there_are_as_many_as_there_should_be() -> None:
    names = {environment: {one.name for one in workloads(everything(environment))} for environment in ENVIRONMENTS}
    platform = {"gateway", "portal", "worker", "beat", "migration-job", "edge", "redis", "embeddings"}
    assert names["development"] == platform | {"llamacpp"}
    assert names["staging"] == platform | {"vllm-qwen3-4b"}
    assert names["production"] == platform | {"vllm-qwen3-4b", "litellm"}


@each_workload
def test_is_confined(environment: str, workload: Workload) -> None:
    pod = workload.spec["securityContext"]
    assert pod["runAsNonRoot"] is True
    assert pod["runAsUser"] > 0
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert workload.spec["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & workload.spec.keys()
    assert all("hostPath" not in volume for volume in workload.spec.get("volumes", []))
    for container in workload.all_containers:
        own = container["securityContext"]
        assert own["readOnlyRootFilesystem"] is True
        assert own["allowPrivilegeEscalation"] is False
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert not own.get("privileged")


@each_workload
def test_has_bounds(environment: str, workload: Workload) -> None:
    for container in workload.all_containers:
        resources = container["resources"]
        assert resources["requests"].keys() >= {"cpu", "memory"}
        assert "memory" in resources["limits"]
        assert "cpu" not in resources["limits"], "a quota of the processor stops a process amid a stream"
    for volume in workload.spec.get("volumes", []):
        if "emptyDir" in volume:
            assert "sizeLimit" in volume["emptyDir"], volume["name"]


@each_workload
def test_images_are_pinned(environment: str, workload: Workload) -> None:
    for container in workload.all_containers:
        name, _, tag = container["image"].rpartition(":")
        assert name
        assert "/" not in tag, "no tag"
        assert tag not in ("", "latest", "main")


@each_workload
def test_has_probes(environment: str, workload: Workload) -> None:
    wanted = {"startupProbe", "livenessProbe", "readinessProbe"}
    if workload.kind == "Job":
        wanted = set()
    elif workload.name in ("worker", "beat"):
        wanted.remove("readinessProbe")  # nobody is sent to them
    for container in workload.containers:
        assert wanted <= container.keys()


@each_workload
def test_rolls_out_without_a_gap(environment: str, workload: Workload) -> None:
    spec = workload.whole["spec"]
    if workload.name == "beat":
        assert spec["strategy"] == {"type": "Recreate"}  # never two
    elif workload.kind == "Deployment":
        assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    elif workload.kind == "StatefulSet":
        assert spec.get("updateStrategy", {}).get("type", "RollingUpdate") == "RollingUpdate"


@each_workload
def test_ends_gracefully(environment: str, workload: Workload) -> None:
    """First nothing new, then time for what runs: 600 s for streams, 300 s for a task."""
    grace = workload.spec.get("terminationGracePeriodSeconds", 30)
    component = workload.labels["app.kubernetes.io/component"]
    pauses = [container.get("lifecycle", {}).get("preStop") for container in workload.containers]
    if component in ("web", "edge", "engine"):
        assert all(pauses)
    if component in ("web", "edge") or workload.name in ("vllm-qwen3-4b", "litellm"):
        assert grace > 15 + 600
    if workload.name == "worker":
        assert grace > 300
    for container in workload.containers:
        for argument in container.get("args", []):
            if argument.startswith("--shutdown-timeout="):
                assert grace > 15 + int(argument.partition("=")[2])


@each_workload
def test_vllm_is_left_by_gateways_before_it_stops(environment: str, workload: Workload) -> None:
    """While vLLM drains, new requests get a 500, and /health says that all is well (seen on 0.32).

    So the pod's name goes first, and whoever looks it up anew finds nobody there.
    """
    for container in workload.containers:
        if container.get("command") == ["vllm", "serve"]:
            (drain,) = [one for one in container["args"] if one.startswith("--shutdown-timeout=")]
            pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
            assert pause >= 15
            assert workload.spec["terminationGracePeriodSeconds"] > pause + int(drain.partition("=")[2])


@each_workload
def test_its_commands_exist(environment: str, workload: Workload) -> None:
    """Of the platform's image: modules, files and management commands are in this repository."""
    for container in workload.all_containers:
        if not container["image"].partition(":")[0].endswith("artemis-platform"):
            continue
        actions = [container.get("lifecycle", {}).get("preStop"), container.get("livenessProbe")]
        for words in (container["args"], *(one["exec"]["command"] for one in actions if one and "exec" in one)):
            match words:
                case ["python", "-m", module, *_]:
                    assert importlib.util.find_spec(module)
                case ["python", "manage.py", command, *_]:
                    assert command in get_commands()
                case ["gunicorn", "-c", file]:
                    assert (DEPLOY.parent / file).exists()
                case ["celery", "--quiet", "-A", module, ("worker" | "beat"), *_]:
                    assert importlib.util.find_spec(module)
                case _:
                    pytest.fail(f"unknown: {words}")


@each_workload
def test_has_a_place(environment: str, workload: Workload) -> None:
    classes = of_kind(rendering.overlay(environment), "PriorityClass")
    assert workload.spec["priorityClassName"] in classes
    if workload.kind == "Job" or workload.name == "redis":
        return
    (constraint,) = workload.spec["topologySpreadConstraints"]
    assert constraint["topologyKey"] == "kubernetes.io/hostname"
    assert selects(constraint["labelSelector"], workload.labels)


@each_workload
def test_has_a_budget_where_there_are_several(environment: str, workload: Workload) -> None:
    budgets = [
        budget
        for budget in of_kind(everything(environment), "PodDisruptionBudget").values()
        if selects(budget["spec"]["selector"], workload.labels)
    ]
    if workload.replicas > 1:
        assert [budget["spec"]["maxUnavailable"] for budget in budgets] == [1]
    assert len(budgets) <= 1, "Kubernetes evicts no pod that has two"


@each_workload
def test_is_behind_the_default_policy(environment: str, workload: Workload) -> None:
    network = Network.of(everything(environment))
    for direction in ("Ingress", "Egress"):
        assert network.isolates(Pod(workload.labels), direction)


@each_workload
def test_selector_matches_its_pods(environment: str, workload: Workload) -> None:
    if workload.kind != "Job":
        assert selects(workload.whole["spec"]["selector"], workload.labels)
    assert workload.labels["app.kubernetes.io/part-of"] == "artemis"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_one_gpu_a_pod(environment: str) -> None:
    for workload in workloads(rendering.overlay(environment)):
        gpus = [
            container["resources"]["limits"].get("nvidia.com/gpu", 0)
            for container in workload.containers
            if "nvidia.com/gpu" in container["resources"]["limits"]
        ]
        assert gpus == ([1] if workload.name.startswith("vllm") else [])


def test_production_uses_its_five_gpus() -> None:
    (engine,) = [one for one in workloads(rendering.overlay("production")) if one.name == "vllm-qwen3-4b"]
    assert engine.replicas == 5
    (constraint,) = engine.spec["topologySpreadConstraints"]
    assert constraint["whenUnsatisfiable"] == "DoNotSchedule"
