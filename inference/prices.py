"""What LiteLLM's own list knows of other providers' models: prices and context, without importing LiteLLM."""

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

LOCAL_PROVIDERS = frozenset({"hosted_vllm", "custom_openai", "llamafile"})


@cache
def _price_list() -> dict[str, dict[str, Any]]:
    spec = find_spec("litellm")
    if spec is None or spec.origin is None:
        return {}
    path = Path(spec.origin).parent / "model_prices_and_context_window_backup.json"
    entries: dict[str, dict[str, Any]] = json.loads(path.read_text())
    return entries


def known_providers() -> frozenset[str]:
    """The names that may stand before the slash in LiteLLM's `model`."""
    listed = {str(entry.get("litellm_provider", "")) for entry in _price_list().values()}
    return frozenset(listed - {""}) | LOCAL_PROVIDERS


def known_model(provider: str, model: str) -> dict[str, Any]:
    """LiteLLM's entry for a model (US dollars per token, tokens of context); empty where it has none."""
    if provider in LOCAL_PROVIDERS:
        return {}
    entries = _price_list()
    return entries.get(f"{provider}/{model}") or entries.get(model) or {}
