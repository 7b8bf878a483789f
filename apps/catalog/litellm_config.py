"""Reads a LiteLLM proxy's YAML as it stands. What is not understood is an error that names it.

The format: https://docs.litellm.ai/docs/proxy/configs
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import yaml

from apps.common.endpoints import ENDPOINTS
from apps.common.errors import Invalid
from apps.common.money import NANO_PER_USD, TOKENS_PER_PRICE_UNIT
from inference.prices import known_model, known_providers
from inference.sleep import sleep_of

STRATEGIES = (
    "simple-shuffle",
    "latency-based-routing",
    "least-busy",
    "cost-based-routing",
    "prefix-aware",
    "primary-then-spill",
)
MODES = {"chat": "chat", "completion": "chat", "embedding": "embedding", "rerank": "rerank"}
FROM_ENVIRONMENT = "os.environ/"
DEAREST_PRICE = NANO_PER_USD  # a dollar, for a token or for a search
DEFAULT_CONTEXT = 8192
DEFAULT_OUTPUT = 4096
OPENAI_BASE = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentConfig:
    """`api_key` is a secret of the file; `api_key_env` the name of a variable that holds one."""

    name: str
    provider_model: str
    api_base: str = ""
    api_key: str = field(default="", repr=False)
    api_key_env: str = ""
    order: int = 1
    weight: int = 1
    rpm: int | None = None
    tpm: int | None = None
    timeout: float = 600.0
    stream_timeout: float = 60.0
    model_info: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Prices in nano-dollars per million tokens; None where neither the file nor LiteLLM's list gives one."""

    public_name: str
    kind: str
    description: str
    owned_by: str
    capabilities: tuple[str, ...]
    extensions: tuple[str, ...]
    context_length: int
    max_output_tokens: int
    dimensions: int | None
    prices: dict[str, int | None] | None
    deployments: tuple[DeploymentConfig, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogConfig:
    """`routing` holds only what the file sets."""

    models: tuple[ModelConfig, ...]
    routing: dict[str, Any]


_COSTS: dict[str, type | tuple[type, ...]] = {
    "input_cost_per_token": (int, float, str),
    "cache_read_input_token_cost": (int, float, str),
    "output_cost_per_token": (int, float, str),
    "output_cost_per_reasoning_token": (int, float, str),
    "input_cost_per_query": (int, float, str),
}
_PARAMS: dict[str, type | tuple[type, ...]] = {
    "model": str,
    "api_base": str,
    "api_key": str,
    "timeout": (int, float),
    "stream_timeout": (int, float),
    "rpm": int,
    "tpm": int,
    "weight": int,
    "order": int,
    **_COSTS,
}
_INFO: dict[str, type | tuple[type, ...]] = {
    "id": str,
    "mode": str,
    "base_model": str,
    "description": str,
    "owned_by": str,
    "max_tokens": int,
    "max_input_tokens": int,
    "max_output_tokens": int,
    "output_vector_size": int,
    **_COSTS,
    "supports_function_calling": bool,
    "supports_tool_choice": bool,
    "supports_parallel_function_calling": bool,
    "supports_response_schema": bool,
    "supports_vision": bool,
    "supports_reasoning": bool,
    "supports_prompt_caching": bool,
    "supports_assistant_prefill": bool,
    "supports_system_messages": bool,
    # Artemis's own
    "extensions": list,
    "capabilities": list,
    "continuous_usage_stats": bool,
    "one_choice": bool,
    "routing_strategy": str,
    "first_token_timeout": (int, float),
    "connect_timeout": (int, float),
    "max_waiting": int,
    "max_kv_cache_usage": (int, float),
    "endpoints": list,
    "unsupported": list,
    "priority_scheduling": bool,
    "sleep": dict,
    "hold_seconds": (int, float),
}
_ROUTER: dict[str, type | tuple[type, ...]] = {
    "routing_strategy": str,
    "num_retries": int,
    "allowed_fails": int,
    "cooldown_time": (int, float),
    "fallbacks": list,
    "context_window_fallbacks": list,
}
_LITELLM = {name: kind for name, kind in _ROUTER.items() if name != "routing_strategy"}
_CAPABILITIES = {
    "supports_function_calling": "tools",
    "supports_response_schema": "json_schema",
    "supports_vision": "vision",
    "supports_reasoning": "reasoning",
    "supports_assistant_prefill": "prefill",
}


def parse_config(text: str) -> CatalogConfig:
    """Raises Invalid, with the setting's path as its parameter."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise Invalid("file", f"The file is no valid YAML: {error}") from error
    if not isinstance(document, dict):
        raise Invalid("file", "The file must be a mapping with a model_list, as LiteLLM's proxy reads it.")
    _only(document, {"model_list", "router_settings", "litellm_settings"}, "")
    entries = document.get("model_list")
    if not isinstance(entries, list) or not entries:
        raise Invalid("model_list", "model_list must be a list of at least one deployment.")
    models = _models(entries)
    names = {model.public_name for model in models}
    routing = _routing(document, names)
    return CatalogConfig(models=models, routing=routing)


def _models(entries: list[Any]) -> tuple[ModelConfig, ...]:
    groups: dict[str, list[tuple[str, dict[str, Any], dict[str, Any]]]] = {}
    for index, entry in enumerate(entries):
        path = f"model_list[{index}]"
        entry = _mapping(entry, path)
        _only(entry, {"model_name", "litellm_params", "model_info"}, path)
        name = entry.get("model_name")
        if not isinstance(name, str) or not 1 <= len(name) <= 120:
            raise Invalid(f"{path}.model_name", "Give the name that callers use, of 1 to 120 characters.")
        params = _typed(entry.get("litellm_params"), _PARAMS, f"{path}.litellm_params")
        info = _typed(entry.get("model_info") or {}, _INFO, f"{path}.model_info")
        groups.setdefault(name, []).append((path, params, info))
    models = tuple(_model(name, members) for name, members in groups.items())
    ids = [deployment.name for model in models for deployment in model.deployments]
    for name in ids:
        if ids.count(name) > 1:
            raise Invalid("model_info.id", f"The id {name!r} stands twice; each deployment needs one of its own.")
    return models


def _model(name: str, members: list[tuple[str, dict[str, Any], dict[str, Any]]]) -> ModelConfig:
    deployments = tuple(
        _deployment(name, number, path, params, info) for number, (path, params, info) in enumerate(members, 1)
    )
    provider, _, upstream = deployments[0].provider_model.partition("/")
    known = known_model(provider, upstream)
    # The first deployment speaks for the model: what one caller gets must not depend on who happens to answer.
    path, params, given = members[0]
    info = {**known, **given}
    mode = info.get("mode", "chat")
    _check_routing(members)
    for size in ("max_tokens", "max_input_tokens", "max_output_tokens", "output_vector_size"):
        if not 1 <= given.get(size, 1) < 2**31:
            raise Invalid(f"{path}.model_info.{size}", f"{size} must be at least 1.")
    if mode not in MODES:
        raise Invalid(f"{path}.model_info.mode", f"{mode!r} is not served; {', '.join(MODES)} are.")
    context = info.get("max_input_tokens") or info.get("max_tokens") or DEFAULT_CONTEXT
    capabilities = {word for key, word in _CAPABILITIES.items() if info.get(key)} | set(given.get("capabilities", ()))
    return ModelConfig(
        public_name=name,
        kind=MODES[mode],
        description=str(info.get("description", "")),
        owned_by=str(given.get("owned_by", "artemis" if not known else provider)),
        capabilities=tuple(sorted(capabilities)),
        extensions=tuple(str(field) for field in given.get("extensions", ())),
        context_length=context,
        max_output_tokens=min(info.get("max_output_tokens") or DEFAULT_OUTPUT, context),
        dimensions=info.get("output_vector_size"),
        prices=_prices({**known, **given, **params}, path),
        deployments=deployments,
    )


def _check_routing(members: list[tuple[str, dict[str, Any], dict[str, Any]]]) -> None:
    for path, _, info in members:
        strategy = info.get("routing_strategy", STRATEGIES[0])
        if strategy not in STRATEGIES:
            raise Invalid(f"{path}.model_info.routing_strategy", f"{strategy!r} is none of {', '.join(STRATEGIES)}.")
        for limit in ("first_token_timeout", "connect_timeout"):
            if not 0 < info.get(limit, 1) < math.inf:
                raise Invalid(f"{path}.model_info.{limit}", f"{limit} must be more than zero seconds.")
        if not 0 < info.get("max_kv_cache_usage", 1) <= 1:
            raise Invalid(
                f"{path}.model_info.max_kv_cache_usage", "max_kv_cache_usage is a share: more than 0, at most 1."
            )
        for least in ("max_waiting", "hold_seconds"):
            if not 0 <= info.get(least, 0) < math.inf:
                raise Invalid(f"{path}.model_info.{least}", f"{least} cannot be negative.")
        try:
            sleep_of(info.get("sleep"))
        except ValueError as error:
            raise Invalid(f"{path}.model_info.sleep", str(error)) from error


def _deployment(name: str, number: int, path: str, params: dict[str, Any], info: dict[str, Any]) -> DeploymentConfig:
    model = params.get("model", "")
    provider, slash, upstream = model.partition("/")
    if not slash:  # LiteLLM takes a bare name for OpenAI's
        provider, upstream = "openai", model
    if not upstream or provider not in known_providers():
        raise Invalid(f"{path}.litellm_params.model", f"{model!r} names no provider that LiteLLM knows.")
    key = params.get("api_key", "")
    env_name = key.removeprefix(FROM_ENVIRONMENT) if key.startswith(FROM_ENVIRONMENT) else ""
    base = str(params.get("api_base", "")) or (OPENAI_BASE if provider == "openai" else "")
    if base and not base.startswith(("http://", "https://")):
        raise Invalid(f"{path}.litellm_params.api_base", f"{base!r} is no http:// or https:// address.")
    if not 1 <= len(info.get("id", "x")) <= 120:
        raise Invalid(f"{path}.model_info.id", "Give an id of 1 to 120 characters.")
    unknown = [one for one in info.get("endpoints", ()) if not isinstance(one, str) or one not in ENDPOINTS]
    if unknown:
        raise Invalid(f"{path}.model_info.endpoints", f"{unknown[0]!r} is none of {', '.join(ENDPOINTS)}.")
    return DeploymentConfig(
        name=info.get("id") or f"{name}-{number}",
        provider_model=f"{provider}/{upstream}",
        api_base=base,
        api_key="" if env_name else key,
        api_key_env=env_name,
        order=_at_least(params, "order", 0, path, default=1),
        weight=_at_least(params, "weight", 0, path, default=1),
        rpm=_at_least(params, "rpm", 1, path, default=None),
        tpm=_at_least(params, "tpm", 1, path, default=None),
        timeout=float(_at_least(params, "timeout", 0.001, path, default=600)),
        stream_timeout=float(_at_least(params, "stream_timeout", 0.001, path, default=60)),
        model_info={key: value for key, value in info.items() if key not in _COSTS and key != "id"},
    )


def _prices(values: Mapping[str, Any], path: str) -> dict[str, int | None] | None:
    """By the price version's fields. Cached input without a price of its own costs as any, thoughts as any output."""
    if not values.keys() & {"input_cost_per_token", "output_cost_per_token", "input_cost_per_query"}:
        return None

    def price(name: str, default: int | None = 0, *, unit: int = TOKENS_PER_PRICE_UNIT) -> int | None:
        return _price(values[name], unit, f"{path}.{name}") if name in values else default

    prompt = price("input_cost_per_token")
    return {
        "input_price": prompt,
        "cached_input_price": price("cache_read_input_token_cost", prompt),
        "output_price": price("output_cost_per_token"),
        "reasoning_price": price("output_cost_per_reasoning_token", None),
        "search_price": price("input_cost_per_query", unit=1),
    }


def _price(dollars: Any, unit: int, path: str) -> int:
    """US dollars as nano-dollars for so many; LiteLLM writes them as 1.5e-07."""
    try:
        price = Decimal(str(dollars)) * NANO_PER_USD
    except InvalidOperation as error:
        raise Invalid(path, f"{dollars!r} is no price in US dollars.") from error
    if not price.is_finite() or not 0 <= price <= DEAREST_PRICE:
        raise Invalid(path, "A price is between zero and one US dollar, for a token or for a search.")
    return int((price * unit).to_integral_value())


def _routing(document: dict[str, Any], names: set[str]) -> dict[str, Any]:
    routing: dict[str, Any] = {}
    for section, allowed in (("litellm_settings", _LITELLM), ("router_settings", _ROUTER)):
        settings = dict(_mapping(document.get(section) or {}, section))
        if settings.get("drop_params") is True and section == "litellm_settings":
            settings.pop("drop_params")  # what Artemis does anyway
        routing |= _typed(settings, allowed, section)
    for key in ("fallbacks", "context_window_fallbacks"):
        if key in routing:
            routing[key] = _fallbacks(routing[key], names, key)
    for key in ("num_retries", "allowed_fails", "cooldown_time"):
        if routing.get(key, 0) < 0:
            raise Invalid(key, f"{key} cannot be negative.")
    strategy = routing.get("routing_strategy", STRATEGIES[0])
    if strategy not in STRATEGIES:
        raise Invalid("router_settings.routing_strategy", f"{strategy!r} is not served; {', '.join(STRATEGIES)} are.")
    return routing


def _fallbacks(entries: list[Any], names: set[str], path: str) -> dict[str, list[str]]:
    """LiteLLM's list of {"model": ["next", …]} as one mapping."""
    merged: dict[str, list[str]] = {}
    for index, entry in enumerate(entries):
        for model, nexts in _mapping(entry, f"{path}[{index}]").items():
            targets = [nexts] if isinstance(nexts, str) else nexts
            if not isinstance(targets, list):
                raise Invalid(f"{path}[{index}]", f"{model!r} must fall back to a list of models.")
            for name in (model, *targets):
                if name not in names:
                    raise Invalid(f"{path}[{index}]", f"{name!r} stands in no model_list entry.")
            merged[model] = targets
    return merged


def _typed(value: Any, allowed: Mapping[str, type | tuple[type, ...]], path: str) -> dict[str, Any]:
    """The mapping without its nulls. Raises Invalid for an unknown name or a value of another type."""
    mapping = {key: item for key, item in _mapping(value, path).items() if item is not None}
    _only(mapping, allowed, path)
    for key, item in mapping.items():
        wanted = allowed[key]
        if not isinstance(item, wanted) or (isinstance(item, bool) and wanted is not bool):
            raise Invalid(f"{path}.{key}", f"{path}.{key} has the wrong type: {item!r}.")
    return mapping


def _mapping(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Invalid(path, f"{path} must be a mapping.")
    return value


def _only(mapping: Mapping[str, Any], allowed: Iterable[str], path: str) -> None:
    known = set(allowed)
    for name in mapping:
        if name not in known:
            full = f"{path}.{name}" if path else str(name)
            raise Invalid(
                full, f"The setting {full} is not understood; take it out. Known: {', '.join(sorted(known))}."
            )


def _at_least(params: dict[str, Any], name: str, least: float, path: str, *, default: Any) -> Any:
    value = params.get(name, default)
    if value is not None and not least <= value < math.inf:
        raise Invalid(f"{path}.litellm_params.{name}", f"{name} must be at least {least:g}.")
    return value
