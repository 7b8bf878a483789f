"""What the operator has and wants: nodes with GPUs, and models with the load that they should carry. A YAML file."""

import json
from pathlib import Path
from typing import Any

import msgspec
import yaml

from inference.planning.architecture import Architecture, architecture_of
from inference.planning.errors import PlanError


class Nodes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nodes that are alike. Memory in GiB, as the card is sold and as the machine has it.

    `gpu_product`: their label nvidia.com/gpu.product, which GPU feature discovery gives them; for Kubernetes alone.
    """

    names: list[str]
    gpu: str
    gpu_memory_gib: float
    gpus: int = 1
    host_memory_gib: float = 16
    gpu_product: str = ""


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`expected_tokens`: of a usual sequence, prompt and answer together. `concurrency`: sequences at once, of all
    replicas. `pinned`: never sleeps, and shares no GPU by turns."""

    name: str
    source: str
    config: str | dict[str, Any]
    max_model_len: int
    weight_bits: int = 16
    kv_cache_bits: int = 16
    expected_tokens: int = 2048
    concurrency: int = 1
    replicas: int = 1
    pinned: bool = False
    max_num_batched_tokens: int = 2048
    flags: list[str] = []

    @property
    def architecture(self) -> Architecture:
        assert isinstance(self.config, dict)  # noqa: S101  (read_wishes reads files)
        return architecture_of(self.config)


class Wishes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    nodes: list[Nodes]
    models: list[Model]
    gpu_memory_percent: int = 90


def read_wishes(path: Path) -> Wishes:
    """A model's `config` is a mapping or a file beside this one. Raises PlanError."""
    try:
        wishes = msgspec.convert(yaml.safe_load(path.read_text()), Wishes)
    except OSError as error:
        raise PlanError(f"{path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise PlanError(f"{path.name}: {error}") from error
    models = [msgspec.structs.replace(model, config=_config(model, path.parent)) for model in wishes.models]
    wishes = msgspec.structs.replace(wishes, models=models)
    _check(wishes)
    return wishes


def _config(model: Model, folder: Path) -> dict[str, Any]:
    if isinstance(model.config, dict):
        return model.config
    try:
        config: dict[str, Any] = json.loads((folder / model.config).read_text())
    except (OSError, ValueError) as error:
        raise PlanError(f"models: {model.name}: config {model.config} cannot be read: {error}.") from error
    return config


def _check(wishes: Wishes) -> None:
    names = [name for nodes in wishes.nodes for name in nodes.names]
    for what, given in (("node", names), ("model", [model.name for model in wishes.models])):
        if twice := {name for name in given if given.count(name) > 1}:
            raise PlanError(f"There are two {what}s named {min(twice)}.")
    if not 10 <= wishes.gpu_memory_percent <= 98:
        raise PlanError("gpu_memory_percent: give 10 to 98.")
    for model in wishes.models:
        if model.weight_bits not in (4, 8, 16) or model.kv_cache_bits not in (8, 16):
            raise PlanError(f"models: {model.name}: weight_bits are 4, 8 or 16, kv_cache_bits 8 or 16.")
        if min(model.max_model_len, model.expected_tokens, model.concurrency, model.replicas) < 1:
            raise PlanError(f"models: {model.name}: numbers of tokens, sequences and replicas are 1 or more.")
        if model.expected_tokens > model.max_model_len:
            raise PlanError(f"models: {model.name}: expected_tokens is more than max_model_len.")
        architecture_of(model.config if isinstance(model.config, dict) else {})
