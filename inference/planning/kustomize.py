"""A plan as Kustomize patches: a component that makes StatefulSets `vllm-MODEL` of deploy/base/engines what it says."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from inference.planning.errors import PlanError
from inference.planning.flags import flags_of
from inference.planning.placing import Engine, Plan
from inference.planning.turns import objects_of, turns_of
from inference.planning.wishes import Wishes

POD_FLAGS = ("--host=0.0.0.0", "--port=8000", "--shutdown-timeout=600")
"""What each vLLM in a pod is told beside the plan."""
HEAD = "# Rendered from gpus.yaml by `manage.py plan_gpus`: change that file, and render again.\n"


def workload_of(name: str) -> str:
    """The StatefulSet and the headless Service of a model."""
    return f"vllm-{name}"


def component(plan: Plan, wishes: Wishes, template: str) -> dict[str, str]:
    """Texts by file name. `template`: base's engine.yaml. Raises PlanError for a plan that StatefulSets cannot be."""
    groups, turns = by_model(plan), turns_of(plan)
    kinds = {one["kind"]: one for one in yaml.safe_load_all(template)}
    shared = {f"{one.name}.yaml": _documents(objects_of(one, kinds, _product(one.engines[0], wishes))) for one in turns}
    files = {f"{workload_of(name)}.yaml": _document(_patch(group, wishes)) for name, group in groups.items()}
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "kind": "Component",
        **({"resources": list(shared)} if shared else {}),
        "patches": [
            *({"path": name} for name in files),
            *_without({engine.model.name for one in turns for engine in one.engines} - groups.keys()),
        ],
    }
    return {"kustomization.yaml": _document(kustomization), **files, **shared}


def _without(names: set[str]) -> Iterator[dict[str, Any]]:
    """Whoever shares a GPU has no StatefulSet of its own; what is not there is not missed."""
    for name in sorted(names):
        for kind, version in (("StatefulSet", "apps/v1"), ("Service", "v1"), ("PodDisruptionBudget", "policy/v1")):
            target = {"kind": kind, "name": workload_of(name)}
            patch = {"apiVersion": version, "kind": kind, "metadata": {"name": workload_of(name)}, "$patch": "delete"}
            yield {"target": target, "patch": yaml.safe_dump(patch, sort_keys=False)}


def by_model(plan: Plan) -> Mapping[str, list[Engine]]:
    """Engines of a model that never sleep; they must be alike, as the pods of a StatefulSet are."""
    groups: dict[str, list[Engine]] = {}
    for engine in plan.engines:
        if not engine.sleep_level:
            groups.setdefault(engine.model.name, []).append(engine)
    for name, group in groups.items():
        if len({(engine.gpu, *flags_of(engine)) for engine in group}) > 1:
            raise PlanError(
                f"models: {name} would run with different flags on different GPUs, and its pods are alike: give it "
                "nodes of one kind, or name it as two models."
            )
    if plan.refused:
        raise PlanError(f"models: {min(plan.refused)} has no place.")
    return groups


def _patch(group: list[Engine], wishes: Wishes) -> dict[str, Any]:
    engine = group[0]
    if engine.beside:
        raise PlanError(
            f"models: {engine.model.name} would live beside {', '.join(engine.beside)}: a pod has whole GPUs, so give "
            "each a GPU, or load that needs one."
        )
    container = {
        "name": "vllm",
        "args": [*flags_of(engine), *POD_FLAGS],
        "resources": {"limits": {"nvidia.com/gpu": len(engine.indexes)}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": workload_of(engine.model.name), "namespace": "artemis"},
        "spec": {
            "replicas": len(group),
            "template": {
                "spec": {
                    "nodeSelector": {"nvidia.com/gpu.product": _product(engine, wishes)},
                    "containers": [container],
                }
            },
        },
    }


def _product(engine: Engine, wishes: Wishes) -> str:
    (product,) = [nodes.gpu_product for nodes in wishes.nodes if engine.node in nodes.names]
    if not product:
        raise PlanError(f"nodes: {engine.node}: give gpu_product, the nodes' label nvidia.com/gpu.product.")
    return product


def _documents(contents: list[dict[str, Any]]) -> str:
    return HEAD + yaml.safe_dump_all(contents, sort_keys=False, width=120)


def _document(content: dict[str, Any]) -> str:
    return HEAD + yaml.safe_dump(content, sort_keys=False, width=120)
