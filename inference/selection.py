"""Decides which profile runs here: by the environment's word, else by whether there is an NVIDIA GPU."""

import dataclasses
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from inference.profiles import PROFILES, EngineProfile, Kind

NVIDIA_DEVICE = Path("/dev/nvidia0")
VLLM = "vllm"
"""Not a profile of its own: the GPU's or the CPU's, whichever this machine has."""


class UnknownEngineError(ValueError):
    """No such profile; the message lists those that exist."""


def engine_home(otherwise: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """Where engines' environments and models are: `ARTEMIS_ENGINES_HOME`, which several platforms may share."""
    given = environ.get("ARTEMIS_ENGINES_HOME")
    return Path(given).expanduser().resolve() if given else otherwise


def has_nvidia_gpu() -> bool:
    return NVIDIA_DEVICE.exists() or shutil.which("nvidia-smi") is not None


def default_engine(environ: Mapping[str, str] = os.environ) -> str:
    """`ENGINE` where set, else vLLM on a GPU and llama.cpp without one. The name is checked."""
    name = environ.get("ENGINE") or (VLLM if has_nvidia_gpu() else "llamacpp")
    profile(name, kind="chat", environ=environ)
    return name


def default_embedding_engine(environ: Mapping[str, str] = os.environ) -> str:
    """`EMBEDDING_ENGINE` where set, else the small ONNX model. The name is checked."""
    name = environ.get("EMBEDDING_ENGINE") or "minilm"
    profile(name, kind="embedding", environ=environ)
    return name


def names(kind: Kind | None = None) -> list[str]:
    """What `profile` accepts."""
    listed = [one.name for one in PROFILES.values() if kind in (None, one.kind)]
    return sorted([*listed, VLLM] if kind != "embedding" else listed)


def profile(name: str, *, kind: Kind | None = None, environ: Mapping[str, str] = os.environ) -> EngineProfile:
    """The profile of that name, with the model that the environment asks for in place of its own."""
    key = ("vllm-cuda" if has_nvidia_gpu() else "vllm-cpu") if name == VLLM else name
    found = PROFILES.get(key)
    if found is None or kind not in (None, found.kind):
        raise UnknownEngineError(f"unknown engine {name!r}; valid names: {', '.join(names(kind))}")
    return _with_model(found, environ)


def _with_model(found: EngineProfile, environ: Mapping[str, str]) -> EngineProfile:
    """ARTEMIS_VLLM_MODEL and ARTEMIS_BGE_M3: a folder or a hub's name."""
    if found.name == "bge-m3" and (source := environ.get("ARTEMIS_BGE_M3")):
        return dataclasses.replace(found, model_source=source)
    if found.name == "vllm-cuda" and (source := environ.get("ARTEMIS_VLLM_MODEL")):
        return dataclasses.replace(found, model_source=source, model=source.rstrip("/").rsplit("/", 1)[-1].lower())
    return found
