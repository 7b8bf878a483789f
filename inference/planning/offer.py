"""A plan as entries of LiteLLM's `models.yaml`: a deployment for each replica, by its pod's own name."""

from collections.abc import Mapping
from typing import Any

import yaml

from inference.planning.kustomize import by_model, workload_of
from inference.planning.placing import Engine, Plan

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
    groups = by_model(plan)
    own = [entry for name, group in groups.items() for entry in _entries(group, _pattern(name, entries))]
    others = [entry for entry in entries if not _is_ours(entry, groups)]
    head = "".join(line for line in before.splitlines(keepends=True) if line.startswith("#"))
    text = yaml.dump({**document, "model_list": [*own, *others]}, Dumper=_Dumper, sort_keys=False, width=120)
    return head + text.replace("'<<': *", "<<: *")


def _is_ours(entry: Mapping[str, Any], groups: Mapping[str, list[Engine]]) -> bool:
    name = entry["model_name"]
    return name in groups and f"//{workload_of(name)}-" in entry["litellm_params"].get("api_base", "")


def _pattern(name: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Without one there, what an engine is at least."""
    for entry in entries:
        if entry["model_name"] == name:
            return entry
    params = {"model": f"hosted_vllm/{name}", "api_base": "", "api_key": "os.environ/ENGINE_API_KEY"}
    return {"litellm_params": params, "model_info": {"id": "", "mode": "chat"}}


def _entries(group: list[Engine], pattern: dict[str, Any]) -> list[dict[str, Any]]:
    model = group[0].model
    params, info = dict(pattern["litellm_params"]), dict(pattern["model_info"])
    info["max_input_tokens"] = model.max_model_len
    entries = []
    for number in range(len(group)):
        workload = workload_of(model.name)
        base = f"http://{workload}-{number}.{workload}.{NAMESPACE}.svc:8000/v1"
        if not number:
            params["api_base"], info["id"] = base, f"{model.name}-0"
            entries.append({"model_name": model.name, "litellm_params": params, "model_info": info})
        else:
            more = {"litellm_params": {"<<": params, "api_base": base}}
            entries.append(
                {"model_name": model.name, **more, "model_info": {"<<": info, "id": f"{model.name}-{number}"}}
            )
    return entries
