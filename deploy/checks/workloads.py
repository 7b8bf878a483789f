"""What of a rendered overlay runs as pods, in a form that is the same for Deployments, StatefulSets and Jobs."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from deploy.checks.rendering import Object


@dataclass(frozen=True)
class Workload:
    kind: str
    name: str
    labels: dict[str, str]
    """Of its pods."""
    spec: Object
    """Of its pods."""
    replicas: int
    """The least that there are."""
    whole: Object

    @property
    def containers(self) -> list[Object]:
        """Those that run on."""
        found: list[Object] = self.spec["containers"]
        return found

    @property
    def all_containers(self) -> list[Object]:
        return [*self.spec.get("initContainers", []), *self.containers]

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


def workloads(objects: Iterable[Object]) -> list[Workload]:
    objects = list(objects)
    return [_workload(one, objects) for one in objects if one["kind"] in ("Deployment", "StatefulSet", "Job")]


def _workload(thing: Object, objects: list[Object]) -> Workload:
    template = thing["spec"]["template"]
    name = thing["metadata"]["name"]
    replicas = thing["spec"].get("replicas")
    for one in objects:
        if one["kind"] == "ScaledObject" and one["spec"]["scaleTargetRef"]["name"] == name:
            replicas = one["spec"]["minReplicaCount"]
    return Workload(
        kind=thing["kind"],
        name=name,
        labels=template["metadata"]["labels"],
        spec=template["spec"],
        replicas=1 if replicas is None else replicas,
        whole=thing,
    )


def of_kind(objects: Iterable[Object], kind: str) -> dict[str, Object]:
    """By name."""
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a label selector matches; an empty one matches everything."""
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    return all(_fits(one, labels) for one in selector.get("matchExpressions", []))


def _fits(expression: dict[str, Any], labels: dict[str, str]) -> bool:
    key, operator, values = expression["key"], expression["operator"], expression.get("values", [])
    match operator:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    raise ValueError(f"There is no operator {operator!r}.")
