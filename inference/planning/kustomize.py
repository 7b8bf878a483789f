"""A plan as Kustomize patches: a component that makes StatefulSets `vllm-MODEL` of deploy/base/engines what it says."""

from collections.abc import Mapping
from typing import Any

import yaml

from inference.planning.errors import PlanError
from inference.planning.flags import flags_of
from inference.planning.placing import Engine, Plan
from inference.planning.wishes import Wishes

POD_FLAGS = ("--host=0.0.0.0", "--port=8000", "--shutdown-timeout=600")
"""What each vLLM in a pod is told beside the plan."""
HEAD = "# Rendered from gpus.yaml by `manage.py plan_gpus`: change that file, and render again.\n"


def workload_of(name: str) -> str:
    """The StatefulSet and the headless Service of a model."""
    return f"vllm-{name}"


def component(plan: Plan, wishes: Wishes) -> dict[str, str]:
    """Texts by file name. Raises PlanError for a plan that a StatefulSet a model cannot be."""
    groups = by_model(plan)
    files = {f"{workload_of(name)}.yaml": _document(_patch(group, wishes)) for name, group in groups.items()}
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "kind": "Component",
        "patches": [{"path": name} for name in files],
    }
    return {"kustomization.yaml": _document(kustomization), **files}


def by_model(plan: Plan) -> Mapping[str, list[Engine]]:
    """Engines of a model, which must be alike: the pods of a StatefulSet are."""
    groups: dict[str, list[Engine]] = {}
    for engine in plan.engines:
        if engine.sleep_level:
            raise PlanError(f"models: {engine.model.name} shares a GPU by turns, which is not rendered.")
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


def _document(content: dict[str, Any]) -> str:
    return HEAD + yaml.safe_dump(content, sort_keys=False, width=120)
