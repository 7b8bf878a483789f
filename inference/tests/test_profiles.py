"""Profiles and the choice between them; locks and their environments."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from inference import selection
from inference.environments.install import (
    LOCKS,
    TORCH_APART,
    InstallError,
    environment_python,
    fingerprint,
    is_installed,
)
from inference.environments.lock import OVERRIDES
from inference.launcher import become, model_folder
from inference.profiles import PROFILES, EngineProfile, Launch

every_profile = pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda one: one.name)


def test_without_a_gpu_llama_cpp_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "has_nvidia_gpu", lambda: False)
    assert selection.default_engine({}) == "llamacpp"
    assert selection.profile("vllm").name == "vllm-cpu"


def test_with_a_gpu_vllm_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "has_nvidia_gpu", lambda: True)
    assert selection.default_engine({}) == "vllm"
    assert selection.profile("vllm", environ={}).model == "qwen3-4b"


def test_the_environment_names_engine_and_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "has_nvidia_gpu", lambda: True)
    environ = {"ENGINE": "llamacpp", "ARTEMIS_VLLM_MODEL": "Qwen/Qwen3-8B-AWQ"}
    assert selection.default_engine(environ) == "llamacpp"
    found = selection.profile("vllm", environ=environ)
    assert (found.model, found.model_source) == ("qwen3-8b-awq", "Qwen/Qwen3-8B-AWQ")


@pytest.mark.parametrize("name", ["vlm", "fake", "minilm", "VLLM "])
def test_an_unknown_engine_is_an_error_that_lists_the_valid_names(name: str) -> None:
    with pytest.raises(selection.UnknownEngineError, match=r"llamacpp.*vllm.*vllm-cpu.*vllm-cuda"):
        selection.default_engine({"ENGINE": name})


def test_embedding_engines_are_chosen_apart() -> None:
    assert selection.default_embedding_engine({}) == "minilm"
    assert selection.default_embedding_engine({"EMBEDDING_ENGINE": "bge-m3"}) == "bge-m3"
    with pytest.raises(selection.UnknownEngineError, match=r"bge-m3, minilm"):
        selection.default_embedding_engine({"EMBEDDING_ENGINE": "llamacpp"})


def test_no_profile_is_a_fake() -> None:
    for profile in PROFILES.values():
        assert "fake" not in f"{profile.name} {profile.model} {profile.environment}".lower()


@every_profile
def test_a_profile_is_complete(profile: EngineProfile) -> None:
    assert (profile.dimensions is not None) == (profile.kind == "embedding")
    assert (profile.max_output_tokens is not None) == (profile.kind == "chat")
    assert (LOCKS / f"{profile.environment}.lock").is_file()
    home = Path("/home")
    launch = Launch(Path("/py"), "127.0.0.1", 1234, model_folder(profile, home), threads=2)
    command = profile.command(profile, launch)
    assert command[0] == "/py"
    assert {"1234", "127.0.0.1", profile.model} <= set(command)


@pytest.mark.parametrize("name", OVERRIDES)
def test_a_lock_is_hashed_and_names_no_registry(name: str) -> None:
    lock = (LOCKS / f"{name}.lock").read_text()
    assert "://" not in lock
    pins = re.findall(r"(?m)^([a-z][\w.-]*)==", lock)
    assert pins
    assert len(re.findall(r"(?m)^[a-z][\w.-]*==[^\n]* \\\n    --hash=sha256:", lock)) == len(pins)
    assert ("torch" in pins) == (name == "vllm-cuda"), "torch is either locked or installed apart"
    assert OVERRIDES.keys() >= TORCH_APART


def test_an_environment_is_current_only_with_the_lock_it_was_made_from(tmp_path: Path) -> None:
    assert not is_installed(tmp_path, "llamacpp")
    folder = tmp_path / "engines" / "llamacpp"
    folder.mkdir(parents=True)
    (folder / "artemis-installed").write_text("of another lock")
    assert not is_installed(tmp_path, "llamacpp")
    (folder / "artemis-installed").write_text(fingerprint("llamacpp"))
    assert is_installed(tmp_path, "llamacpp")


def test_an_engine_that_no_image_brought_along_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InstallError, match=r"llamacpp is not installed in .*: python -m inference install llamacpp"):
        become(PROFILES["llamacpp"], home=tmp_path, host="127.0.0.1", port=1)


def test_exec_becomes_the_engine_with_the_profiles_own_flags_and_no_secret_of_the_platforms(tmp_path: Path) -> None:
    python = environment_python(tmp_path, "llamacpp")
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$$ $* $ARTEMIS_ENGINE_KEY $SECRET_KEY"\n')
    python.chmod(0o755)
    command = [
        sys.executable,
        "-m",
        "inference",
        "exec",
        "llamacpp",
        "--home",
        str(tmp_path),
        "--port",
        "7",
        "--threads",
        "3",
    ]
    environment = {"PATH": os.environ["PATH"], "SECRET_KEY": "hidden", "ARTEMIS_ENGINE_KEY": "key"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        said = process.communicate()[0]
    started = "-m inference.servers.llamacpp --host 127.0.0.1 --port 7 --alias smollm2-135m-instruct --threads 3"
    assert said.startswith(f"{process.pid} {started}")
    assert said.endswith(" key \n")
