"""Writes the LiteLLM YAML that offers the engines which `make run` starts."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from deploy.local.state import write_private
from inference.profiles import EngineProfile

# US dollars per token. What a company charges its own teams for its own GPUs is its own choice; these are in the
# range in which hosted models of this size are sold, so that a first bill has sensible figures.
CHAT_PRICES = {
    "input_cost_per_token": "1.0e-07",
    "cache_read_input_token_cost": "2.5e-08",
    "output_cost_per_token": "4.0e-07",
}
EMBEDDING_PRICES = {"input_cost_per_token": "2.0e-08"}
FALLBACK = "claude-haiku-4-5"
_CAPABILITIES = {
    "tools": "supports_function_calling",
    "json_schema": "supports_response_schema",
}


def write_catalog(file: Path, engines: Iterable[tuple[EngineProfile, int]], *, engine_key: str) -> None:
    """`engines`: profile and port on this machine. With ANTHROPIC_API_KEY set, Claude Haiku takes over for chat."""
    entries = [_entry(profile, port, engine_key) for profile, port in engines]
    document: dict[str, Any] = {"model_list": entries}
    chats = [entry["model_name"] for entry in entries if entry["model_info"]["mode"] == "chat"]
    if os.environ.get("ANTHROPIC_API_KEY") and chats:
        entries.append(_claude())
        document["litellm_settings"] = {"fallbacks": [{name: [FALLBACK]} for name in chats]}
    write_private(file, yaml.safe_dump(document, sort_keys=False))


def _entry(profile: EngineProfile, port: int, engine_key: str) -> dict[str, Any]:
    chat = profile.kind == "chat"
    info: dict[str, Any] = {
        "id": f"local-{profile.model}",
        "mode": profile.kind,
        "description": f"{profile.model}, served by this machine's own engine ({profile.name})",
        "max_input_tokens": profile.context_length,
        "extensions": sorted(profile.extensions),
        "unsupported": sorted(profile.unsupported),
        "continuous_usage_stats": profile.continuous_usage_stats,
        "one_choice": profile.one_choice,
        **(CHAT_PRICES if chat else EMBEDDING_PRICES),
    }
    if chat:
        info["max_output_tokens"] = profile.max_output_tokens or profile.context_length
        info |= {key: True for name, key in _CAPABILITIES.items() if getattr(profile.capabilities, name)}
    if profile.dimensions:
        info["output_vector_size"] = profile.dimensions
    return {
        "model_name": profile.model,
        "litellm_params": {
            "model": f"{profile.upstream_provider}/{profile.model}",
            "api_base": f"http://127.0.0.1:{port}/v1",
            "api_key": engine_key,
        },
        "model_info": info,
    }


def _claude() -> dict[str, Any]:
    params: dict[str, Any] = {"model": f"anthropic/{FALLBACK}", "api_key": "os.environ/ANTHROPIC_API_KEY"}
    if base := os.environ.get("ANTHROPIC_BASE_URL"):
        params["api_base"] = base
    return {"model_name": FALLBACK, "litellm_params": params, "model_info": {"mode": "chat"}}
