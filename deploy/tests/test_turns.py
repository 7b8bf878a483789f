"""Models that share a GPU by turns, as the plan renders them: one pod, its endpoints for the platform alone."""

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command

from deploy.checks import rendering, schemas
from deploy.checks.network import Network, Pod
from deploy.checks.rendering import Object
from deploy.checks.workloads import Workload, of_kind, workloads
from deploy.tests.test_engines import flags
from deploy.tests.test_gpus import PRODUCTION, copied
from deploy.tests.test_network import OUTSIDE
from inference.sleep import sleep_of

__all__ = ["copied"]
PORTS = (8000, 8001)
CALLERS = ("gateway", "portal", "worker")


@pytest.fixture
def overlay(copied: Path) -> Path:
    """Two models of 16 bits on two cards that hold one of them each, at a time."""
    wishes = yaml.safe_load((copied / "gpus.yaml").read_text())
    (model,) = wishes["models"]
    model |= {"weight_bits": 16, "replicas": 1, "concurrency": 1, "max_model_len": 4096}
    wishes["models"] = [model, {**model, "name": "qwen3-4b-base", "source": "Qwen/Qwen3-4B-Base"}]
    wishes["nodes"][0] |= {"names": ["gpu-1"], "host_memory_gib": 32}
    (copied / "gpus.yaml").write_text(yaml.safe_dump(wishes))
    call_command("plan_gpus", str(copied / "gpus.yaml"), "--kustomize", str(copied))
    return copied


@pytest.fixture
def objects(overlay: Path) -> list[Object]:
    return rendering.substituted(rendering.text(overlay / "engines"), rendering.settings("production"))


@pytest.fixture
def pod(objects: list[Object]) -> Workload:
    (found,) = [one for one in workloads(objects) if one.name.startswith("vllm")]
    return found


def test_it_validates_and_takes_the_place_of_engines_of_their_own(objects: list[Object], pod: Workload) -> None:
    assert [complaint for thing in objects for complaint in schemas.complaints(thing)] == []
    for kind in ("StatefulSet", "Service", "PodDisruptionBudget"):
        assert set(of_kind(objects, kind)) == {"vllm-turns-1", "embeddings"}
    assert of_kind(objects, "ServiceAccount").keys() >= {pod.spec["serviceAccountName"]}


def test_one_gpu_for_all_and_the_endpoints_only_here(pod: Workload) -> None:
    first, second = pod.all_containers
    assert first["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert "nvidia.com/gpu" not in second["resources"]["limits"]
    assert pod.spec["nodeSelector"]["nvidia.com/gpu.count"] == "1"
    for container in (first, second):
        assert {"name": "VLLM_SERVER_DEV_MODE", "value": "1"} in container["env"]
        assert "--enable-sleep-mode" in container["args"]
    assert {"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"} in second["env"]
    for environment in rendering.ENVIRONMENTS:
        for workload in workloads(rendering.overlay(environment)):
            assert "VLLM_SERVER_DEV_MODE" not in str(workload.whole)


def test_one_starts_after_another(pod: Workload) -> None:
    (sidecar,) = pod.spec["initContainers"]
    (last,) = pod.containers
    assert sidecar["restartPolicy"] == "Always"
    for container, port, other in ((sidecar, 8000, 8001), (last, 8001, 8000)):
        assert flags(container["args"])["--port"] == str(port)
        words = ["inference.pod_turns", "clear", str(port), "1", str(other), "--", "vllm", "serve"]
        assert container["command"][-len(words) :] == words
        assert container["startupProbe"]["exec"]["command"][-5:] == [*words[:1], "started", str(port), "1", str(other)]
        assert container["readinessProbe"]["httpGet"]["path"] == "/health", "which answers asleep as well"
        assert container["ports"] == [{"containerPort": port, "name": container["readinessProbe"]["httpGet"]["port"]}]
    states = {container["livenessProbe"]["exec"]["command"][-1] for container in pod.all_containers}
    assert len(states) == 2, "one /tmp for both"


def test_all_have_time_to_end(pod: Workload) -> None:
    pauses = [container["lifecycle"]["preStop"]["sleep"]["seconds"] for container in pod.all_containers]
    drains = [int(flags(container["args"])["--shutdown-timeout"]) for container in pod.all_containers]
    assert pod.spec["terminationGracePeriodSeconds"] > sum(pauses) + max(drains), "one is awake at a time"


def test_the_platform_alone_reaches_them(objects: list[Object], pod: Workload) -> None:
    whole = [*(one for one in rendering.overlay("production") if one["kind"] == "NetworkPolicy"), *objects]
    network, target = Network.of(whole), Pod(pod.labels)
    known: dict[str, Any] = {one.name: Pod(one.labels) for one in workloads(rendering.overlay("production"))} | OUTSIDE
    allowed = {
        (name, port)
        for (name, end), port in itertools.product(known.items(), (*PORTS, 8002))
        if network.allows(end, target, port)
    }
    assert allowed == {*itertools.product(CALLERS, PORTS), ("prometheus", 8000)}
    assert {"edge", "beat", "migration-job", "redis", "stranger", "internet"} <= known.keys()
    assert not network.allows(target, target, 8001), "nor do engines reach each other"


def test_the_catalog_can_read_who_sleeps(overlay: Path) -> None:
    models = yaml.safe_load((overlay / "migrations" / "models.yaml").read_text())
    entries = [one for one in models["model_list"] if "vllm-turns" in one["litellm_params"].get("api_base", "")]
    assert {one["model_name"]: one["model_info"]["sleep"] for one in entries} == {
        "qwen3-4b": {"slot": "vllm-turns-1-0", "level": 1},
        "qwen3-4b-base": {"slot": "vllm-turns-1-0", "level": 1},
    }
    assert all(sleep_of(one["model_info"]["sleep"]) for one in entries)
    ports = {one["litellm_params"]["api_base"] for one in entries}
    assert ports == {f"http://vllm-turns-1-0.vllm-turns-1.artemis.svc:{port}/v1" for port in PORTS}


def test_back_to_gpus_of_their_own(overlay: Path) -> None:
    (overlay / "gpus.yaml").write_text((PRODUCTION / "gpus.yaml").read_text())
    call_command("plan_gpus", str(overlay / "gpus.yaml"), "--kustomize", str(overlay))
    assert {one.name for one in (overlay / "engines" / "planned").iterdir()} == {
        one.name for one in (PRODUCTION / "engines" / "planned").iterdir()
    }
    models = yaml.safe_load((overlay / "migrations" / "models.yaml").read_text())
    assert not any("sleep" in one["model_info"] for one in models["model_list"] if one["model_name"] == "qwen3-4b")
