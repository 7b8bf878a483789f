"""What runs on the GPUs is what the plan says: committed files are those that it renders, and others build as well."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command

from apps.catalog.management.commands.plan_gpus import rendered
from deploy.checks import rendering, schemas
from deploy.checks.rendering import DEPLOY
from deploy.checks.workloads import Workload, workloads
from deploy.tests.test_engines import flags
from inference.planning.placing import plan
from inference.planning.wishes import read_wishes

PRODUCTION = DEPLOY / "overlays" / "production"


def test_the_plan_is_what_is_committed() -> None:
    wishes = read_wishes(PRODUCTION / "gpus.yaml")
    for name, text in rendered(plan(wishes), wishes, PRODUCTION).items():
        assert (PRODUCTION / name).read_text() == text, "manage.py plan_gpus …/gpus.yaml --kustomize …"


def engine_of(environment: str) -> Workload:
    (engine,) = [one for one in workloads(rendering.overlay(environment)) if one.name == "vllm-qwen3-4b"]
    return engine


def test_base_runs_with_the_plans_flags() -> None:
    """Staging takes the base as it is."""
    base, planned = engine_of("staging").containers[0], engine_of("production").containers[0]
    assert base["args"][0] == planned["args"][0]
    assert flags(base["args"][1:]) == flags(planned["args"][1:])
    assert len(set(planned["args"])) == len(planned["args"])


def test_the_plan_is_what_runs() -> None:
    made = plan(read_wishes(PRODUCTION / "gpus.yaml"))
    engine = engine_of("production")
    assert engine.replicas == len(made.engines) == 5
    assert not made.short
    assert not made.refused


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The overlay of one who changes it."""
    for name in ("base", "components", "overlays"):
        shutil.copytree(DEPLOY / name, tmp_path / name)
    return tmp_path / "overlays" / "production"


def planned(overlay: Path, change: dict[str, Any], *, nodes: dict[str, Any] | None = None) -> None:
    wishes = yaml.safe_load((overlay / "gpus.yaml").read_text())
    wishes["models"][0] |= change
    wishes["nodes"][0] |= nodes or {}
    (overlay / "gpus.yaml").write_text(yaml.safe_dump(wishes))
    call_command("plan_gpus", str(overlay / "gpus.yaml"), "--kustomize", str(overlay))


def test_another_plan_builds_and_validates(copied: Path) -> None:
    planned(copied, {"replicas": 3, "concurrency": 1, "max_model_len": 4096}, nodes={"gpu_product": "NVIDIA-A10"})
    objects = rendering.substituted(rendering.text(copied / "engines"), rendering.settings("production"))
    assert [complaint for thing in objects for complaint in schemas.complaints(thing)] == []
    (engine,) = [one for one in workloads(objects) if one.name == "vllm-qwen3-4b"]
    assert engine.replicas == 3
    assert flags(engine.containers[0]["args"])["--max-model-len"] == "4096"
    assert engine.spec["nodeSelector"] == {"nvidia.com/gpu.product": "NVIDIA-A10"}
    models = yaml.safe_load((copied / "migrations" / "models.yaml").read_text())
    entries = [one for one in models["model_list"] if one["model_name"] == "qwen3-4b"]
    assert [one["model_info"]["id"] for one in entries] == ["qwen3-4b-0", "qwen3-4b-1", "qwen3-4b-2"]
    assert {one["model_info"]["max_input_tokens"] for one in entries} == {4096}
    assert len({one["litellm_params"]["api_base"] for one in entries}) == 3
    before = yaml.safe_load((PRODUCTION / "migrations" / "models.yaml").read_text())
    assert models["model_list"][3:] == before["model_list"][5:], "other models stay"
    assert models["litellm_settings"] == before["litellm_settings"]


def test_what_cannot_be_rendered_is_said_and_nothing_is_written(copied: Path) -> None:
    for change, nodes, said in (
        ({}, {"gpu_product": ""}, "give gpu_product"),
        ({"weight_bits": 16, "max_model_len": 32_768}, {}, "has no place"),
    ):
        before = (copied / "gpus.yaml").read_text()
        with pytest.raises(CommandError, match=said):
            planned(copied, change, nodes=nodes)
        (copied / "gpus.yaml").write_text(before)
    for name in ("engines/planned/vllm-qwen3-4b.yaml", "migrations/models.yaml"):
        assert (copied / name).read_text() == (PRODUCTION / name).read_text()
