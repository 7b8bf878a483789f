"""Engines in the cluster run as the profiles of inference/ run them, and are described to callers as those say."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.checks import rendering
from deploy.checks.rendering import ENVIRONMENTS
from deploy.checks.workloads import of_kind, workloads
from inference.profiles import Launch
from inference.selection import profile

OF_THE_CLUSTER = {"--shutdown-timeout", "--enable-prefix-caching"}
"""What a pod has beyond a profile: it is drained; the other is vLLM's default, said aloud."""
SHIPPED = {
    "qwen3-4b": "vllm-cuda",
    "smollm2-135m-instruct": "llamacpp",
    "all-minilm-l6-v2": "minilm",
    "bge-m3": "bge-m3",
}


def flags(words: list[str]) -> dict[str, str]:
    """`--name=value`, `--name value` and `--name` alike."""
    found: dict[str, str] = {}
    name = ""
    for word in words:
        if word.startswith("--"):
            name, _, value = word.partition("=")
            found[name] = value
        elif name:
            found[name], name = word, ""
    return found


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_vllm_runs_with_the_profiles_flags(environment: str) -> None:
    own = profile("vllm-cuda", environ={})
    launch = Launch(python=Path("python"), host="0.0.0.0", port=8000, model_folder=Path(), threads=1)
    wanted = flags(own.command(own, launch)[3:])
    (engine,) = [one for one in workloads(rendering.overlay(environment)) if one.name == "vllm-qwen3-4b"]
    given = flags(engine.containers[0]["args"][1:])
    assert {name: value for name, value in given.items() if name not in OF_THE_CLUSTER} == {
        name: value for name, value in wanted.items() if name != "--model"
    }


def offered(environment: str) -> list[dict[str, Any]]:
    (models,) = [one for name, one in of_kind(rendering.overlay(environment), "ConfigMap").items() if "models" in name]
    entries: list[dict[str, Any]] = yaml.safe_load(models["data"]["models.yaml"])["model_list"]
    return [one for one in entries if "api_base" in one["litellm_params"]]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_models_are_described_as_the_profiles_say(environment: str) -> None:
    assert offered(environment)
    for entry in offered(environment):
        info, own = entry["model_info"], profile(SHIPPED[entry["model_name"]], environ={})
        assert own.model == entry["model_name"]
        assert info["max_input_tokens"] == own.context_length
        assert info.get("output_vector_size") == own.dimensions
        assert info.get("continuous_usage_stats", False) == own.continuous_usage_stats
        assert info.get("one_choice", False) == own.one_choice
        assert set(info.get("extensions", [])) == own.extensions
        assert set(info.get("unsupported", [])) == own.unsupported
        assert info.get("supports_function_calling", False) == own.capabilities.tools
        assert info.get("supports_response_schema", False) == own.capabilities.json_schema


def test_a_light_engine_runs_a_profile() -> None:
    """The image's arguments are a profile's name."""
    for workload in workloads(rendering.overlay("development")):
        if workload.labels["app.kubernetes.io/component"] == "engine":
            (name,) = workload.containers[0]["args"]
            assert profile(name, environ={}).environment in ("llamacpp", "embeddings")
