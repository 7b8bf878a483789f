"""A plan as entries of LiteLLM's `models.yaml`: a deployment for each replica, by its pod's own name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from inference.planning.errors import PlanError
from inference.planning.kustomize import by_model, workload_of
from inference.planning.placing import Plan
from inference.planning.turns import turns_of
from inference.planning.wishes import Model

NAMESPACE = "artemis"


class _Dumper(yaml.SafeDumper):
    """What entries have in common is written once; lists stand in from their key, as people write them here."""

    def generate_anchor(self, node: yaml.Node) -> str:
        self.last_anchor_id += 1
        return f"engine-{self.last_anchor_id}"

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def offered(before: str, plan: Plan) -> str:
    """`models.yaml` with the plan's engines. A model's first entry there says how it is described and what it costs;
    other models, and comments at the top, stay. Raises PlanError."""
    document: dict[str, Any] = yaml.safe_load(before) or {}
    entries: list[dict[str, Any]] = document.get("model_list", [])
    places = _places(plan)
    own = [entry for name, found in places.items() for entry in _entries(found, _pattern(name, entries))]
    others = [entry for entry in entries if not _is_ours(entry, places)]
    head = "".join(line for line in before.splitlines(keepends=True) if line.startswith("#"))
    text = yaml.dump({**document, "model_list": [*own, *others]}, Dumper=_Dumper, sort_keys=False, width=120)
    return head + text.replace("'<<': *", "<<: *")


@dataclass(frozen=True)
class Place:
    """Of one deployment. `sleep`: its model_info's, where it shares a GPU by turns."""

    model: Model
    api_base: str
    sleep: dict[str, Any] | None = None


def _places(plan: Plan) -> dict[str, list[Place]]:
    places: dict[str, list[Place]] = {}
    for name, group in by_model(plan).items():
        for number, engine in enumerate(group):
            places.setdefault(name, []).append(Place(engine.model, _address(workload_of(name), number, 8000)))
    for turns in turns_of(plan):
        for engine in turns.engines:
            for number in range(turns.pods):
                sleep = {"slot": f"{turns.name}-{number}", "level": engine.sleep_level}
                address = _address(turns.name, number, turns.port(engine))
                places.setdefault(engine.model.name, []).append(Place(engine.model, address, sleep))
    return places


def _address(workload: str, number: int, port: int) -> str:
    return f"http://{workload}-{number}.{workload}.{NAMESPACE}.svc:{port}/v1"


def _is_ours(entry: Mapping[str, Any], places: Mapping[str, list[Place]]) -> bool:
    return entry["model_name"] in places and "//vllm-" in entry["litellm_params"].get("api_base", "")


def _pattern(name: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Without one there, what an engine is at least."""
    for entry in entries:
        if entry["model_name"] == name:
            return entry
    params = {"model": f"hosted_vllm/{name}", "api_base": "", "api_key": "os.environ/ENGINE_API_KEY"}
    return {"litellm_params": params, "model_info": {"id": "", "mode": "chat"}}


def _entries(places: list[Place], pattern: dict[str, Any]) -> list[dict[str, Any]]:
    """The first one says all, the others what is different."""
    first = places[0]
    params, info = dict(pattern["litellm_params"]), dict(pattern["model_info"])
    params["api_base"], info["id"] = first.api_base, f"{first.model.name}-0"
    info["max_input_tokens"] = first.model.max_model_len
    info.pop("sleep", None)
    if first.sleep:
        info["sleep"] = first.sleep
    entries = [{"model_name": first.model.name, "litellm_params": params, "model_info": info}]
    for number, place in enumerate(places[1:], start=1):
        if (place.sleep is None) != (first.sleep is None):
            raise PlanError(f"models: {place.model.name} would sleep in one place and not in another: pin it.")
        more: dict[str, Any] = {"<<": info, "id": f"{place.model.name}-{number}"}
        if place.sleep:
            more["sleep"] = place.sleep
        entry = {"model_name": place.model.name, "litellm_params": {"<<": params, "api_base": place.api_base}}
        entries.append({**entry, "model_info": more})
    return entries
