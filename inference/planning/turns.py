"""Models that share a GPU by turns, as one pod: a vLLM each, on ports of their own, started one after another.

All but the last are sidecars (init containers that run on), and each begins when the one before has started.
deploy/decisions/0042 says why.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inference.planning.errors import PlanError
from inference.planning.flags import flags_of
from inference.planning.memory import GIB
from inference.planning.placing import Engine, Plan

FIRST_PORT = 8000
PAUSE_SECONDS, DRAIN_SECONDS, SPARE_SECONDS = 15, 600, 45
Object = dict[str, Any]


@dataclass(frozen=True)
class Turns:
    """Engines of one GPU, in the order of their ports; `pods`: on how many GPUs these are."""

    name: str
    engines: tuple[Engine, ...]
    pods: int

    def port(self, engine: Engine) -> int:
        return FIRST_PORT + [one.model.name for one in self.engines].index(engine.model.name)


def turns_of(plan: Plan) -> list[Turns]:
    """GPUs with the same engines are pods of one StatefulSet."""
    places: dict[tuple[str, tuple[int, ...]], list[Engine]] = {}
    for engine in plan.engines:
        if engine.sleep_level:
            places.setdefault((engine.node, engine.indexes), []).append(engine)
    alike: dict[tuple[Any, ...], list[list[Engine]]] = {}
    for engines in places.values():
        key = tuple((one.gpu, one.sleep_level, *flags_of(one)) for one in engines)
        alike.setdefault(key, []).append(engines)
    return [
        Turns(f"vllm-turns-{number}", tuple(same[0]), len(same)) for number, same in enumerate(alike.values(), start=1)
    ]


def objects_of(turns: Turns, template: Mapping[str, Object], product: str) -> list[Object]:
    """`template`: of an engine with a GPU of its own, by kind. Raises PlanError."""
    if any(len(engine.indexes) > 1 for engine in turns.engines):
        raise PlanError(
            f"models: {turns.engines[0].model.name} is split over GPUs, and shares them by turns: add GPUs."
        )
    labels = {**template["StatefulSet"]["metadata"]["labels"], "artemis/turns": turns.name}
    labels.pop("artemis/model")
    mine = {"app.kubernetes.io/name": "vllm", "artemis/turns": turns.name}
    service, budget, workload = (
        copy.deepcopy(template[kind]) for kind in ("Service", "PodDisruptionBudget", "StatefulSet")
    )
    for one in (service, budget, workload):
        one["metadata"] |= {"name": turns.name, "namespace": "artemis"}
    ports = [turns.port(engine) for engine in turns.engines]
    service["spec"] |= {"selector": mine, "ports": [{"name": _name(port), "port": port} for port in ports]}
    budget["spec"]["selector"] = {"matchLabels": mine}
    workload["metadata"]["labels"] = labels
    workload["spec"] |= {"serviceName": turns.name, "replicas": turns.pods, "selector": {"matchLabels": mine}}
    workload["spec"]["template"]["metadata"]["labels"] = labels
    pod = workload["spec"]["template"]["spec"]
    pod["topologySpreadConstraints"][0]["labelSelector"] = {"matchLabels": mine}
    # One GPU a node: those that share see all the node's GPUs.
    pod["nodeSelector"] = {"nvidia.com/gpu.product": product, "nvidia.com/gpu.count": "1"}
    pod["terminationGracePeriodSeconds"] = PAUSE_SECONDS * len(ports) + DRAIN_SECONDS + SPARE_SECONDS
    (pattern,) = pod["containers"]
    *sidecars, last = [_container(engine, turns, pattern) for engine in turns.engines]
    pod["initContainers"] = [{**one, "restartPolicy": "Always"} for one in sidecars]
    pod["containers"] = [last]
    return [service, budget, workload, *_policies(turns, mine, ports)]


def _container(engine: Engine, turns: Turns, pattern: Object) -> Object:
    port, level = turns.port(engine), str(engine.sleep_level)
    others = [str(turns.port(one)) for one in turns.engines if one is not engine]
    module = ["env", "PYTHONPATH=/probe", "python3", "-SP", "-m"]
    is_first = engine is turns.engines[0]
    one = copy.deepcopy(pattern)
    one["name"] = _name(port).replace("http", "vllm")
    one["command"] = [*module, "inference.pod_turns", "clear", str(port), level, *others, "--", *pattern["command"]]
    one["args"] = [*flags_of(engine), "--host=0.0.0.0", f"--port={port}", f"--shutdown-timeout={DRAIN_SECONDS}"]
    one["env"].append({"name": "VLLM_SERVER_DEV_MODE", "value": "1"})  # /sleep and /wake_up
    one["ports"] = [{"name": _name(port), "containerPort": port}]
    one["resources"] = _resources(engine)
    if is_first:
        one["resources"]["limits"]["nvidia.com/gpu"] = 1
    else:
        one["env"].append({"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"})
    one["startupProbe"]["exec"] = {"command": [*module, "inference.pod_turns", "started", str(port), level, *others]}
    one["startupProbe"] |= {"timeoutSeconds": 60, "failureThreshold": 180}
    del one["startupProbe"]["httpGet"]
    one["readinessProbe"]["httpGet"]["port"] = _name(port)  # answers asleep as well
    state = f"/tmp/engine-progress-{port}.json"  # noqa: S108  (the pod's own)
    one["livenessProbe"]["exec"] = {"command": [*module, "inference.pod_probe", str(port), state]}
    return one


def _resources(engine: Engine) -> Object:
    """At level 1 the weights of one that sleeps are in the node's memory."""
    weights = -(-engine.weight_bytes // GIB) if engine.sleep_level == 1 else 0
    return {"requests": {"cpu": "1", "memory": f"{3 + weights}Gi"}, "limits": {"memory": f"{8 + weights}Gi"}}


def _policies(turns: Turns, mine: Object, ports: list[int]) -> list[Object]:
    """Both ends must allow it. Port 8000 is every engine's already (base/engines, base/platform)."""
    engines = {"matchLabels": mine}
    names = {"key": "app.kubernetes.io/name", "operator": "In", "values": ["gateway", "portal", "worker"]}
    platform = {"matchExpressions": [names]}
    more = [{"port": port, "protocol": "TCP"} for port in ports if port != FIRST_PORT]
    return [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": name, "namespace": "artemis"},
            "spec": {
                "podSelector": here,
                "policyTypes": [direction],
                direction.lower(): [{end: [{"podSelector": there}], "ports": more}],
            },
        }
        for name, direction, here, end, there in (
            (f"{turns.name}-from-platform", "Ingress", engines, "from", platform),
            (f"platform-to-{turns.name}", "Egress", platform, "to", engines),
        )
    ]


def _name(port: int) -> str:
    return "http" if port == FIRST_PORT else f"http-{port}"
