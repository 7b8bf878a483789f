"""A LiteLLM proxy's YAML as it stands: all that is understood is taken, anything else is named."""

from typing import Any

import pytest
import yaml

from apps.catalog.litellm_config import parse_config
from apps.common.errors import Invalid

# After https://docs.litellm.ai/docs/proxy/configs and /docs/routing: load balancing, fallbacks, a provider's own key.
SAMPLE = """
model_list:
  - model_name: gpt-3.5-turbo
    litellm_params:
      model: azure/gpt-turbo-small-eu
      api_base: https://my-endpoint-europe-berri-992.openai.azure.com/
      api_key: os.environ/AZURE_API_KEY_EU
      rpm: 6
      order: 1
  - model_name: gpt-3.5-turbo
    litellm_params:
      model: azure/gpt-turbo-small-ca
      api_base: https://my-endpoint-canada-berri992.openai.azure.com/
      api_key: "os.environ/AZURE_API_KEY_CA"
      rpm: 6
      tpm: 100000
      weight: 9
      order: 2
  - model_name: claude-haiku-4-5
    litellm_params:
      model: anthropic/claude-haiku-4-5
      api_key: os.environ/ANTHROPIC_API_KEY
      timeout: 300
      stream_timeout: 30.5
  - model_name: vllm-model
    litellm_params:
      model: hosted_vllm/qwen3-4b
      api_base: http://gpu-1:8000/v1
      api_key: sk-own
      input_cost_per_token: 1.5e-07
      output_cost_per_token: "6e-7"
    model_info:
      id: gpu-1
      mode: chat
      max_input_tokens: 32768
      max_output_tokens: 4096
      supports_function_calling: true
      supports_vision: false
      extensions: [top_k, chat_template_kwargs.enable_thinking]
  - model_name: text-embedding
    litellm_params:
      model: text-embedding-3-small
      api_key: os.environ/OPENAI_API_KEY
    model_info:
      mode: embedding
litellm_settings:
  num_retries: 3
  fallbacks: [{"vllm-model": ["claude-haiku-4-5"]}, {"gpt-3.5-turbo": "claude-haiku-4-5"}]
  context_window_fallbacks: [{"vllm-model": ["claude-haiku-4-5"]}]
  allowed_fails: 3
  cooldown_time: 30
  drop_params: true
router_settings:
  routing_strategy: simple-shuffle
  num_retries: 2
"""


def config(**changes: Any) -> str:
    """A small good file; `params`, `info` and other sections are added to it."""
    entry = {
        "model_name": "moon",
        "litellm_params": {"model": "hosted_vllm/moon", "api_base": "http://gpu:8000/v1"} | changes.pop("params", {}),
        "model_info": changes.pop("info", {}),
        **changes.pop("entry", {}),
    }
    return yaml.safe_dump({"model_list": [entry, *changes.pop("more", [])], **changes})


def test_a_file_of_the_real_world() -> None:
    read = parse_config(SAMPLE)
    models = {model.public_name: model for model in read.models}
    azure = models["gpt-3.5-turbo"].deployments
    own = models["vllm-model"]
    claude = models["claude-haiku-4-5"]

    assert list(models) == ["gpt-3.5-turbo", "claude-haiku-4-5", "vllm-model", "text-embedding"]
    assert [one.name for one in azure] == ["gpt-3.5-turbo-1", "gpt-3.5-turbo-2"]
    assert [(one.rpm, one.tpm, one.weight, one.order) for one in azure] == [(6, None, 1, 1), (6, 100_000, 9, 2)]
    assert (azure[1].api_key, azure[1].api_key_env) == ("", "AZURE_API_KEY_CA")
    assert own.prices == {
        "input_price": 150_000_000,
        "cached_input_price": 150_000_000,
        "output_price": 600_000_000,
        "reasoning_price": None,
        "search_price": 0,
    }
    assert (own.context_length, own.max_output_tokens) == (32_768, 4096)
    assert own.capabilities == ("tools",)
    assert own.extensions == ("top_k", "chat_template_kwargs.enable_thinking")
    assert (own.deployments[0].name, own.deployments[0].api_key) == ("gpu-1", "sk-own")
    assert "sk-own" not in repr(read)
    assert (claude.deployments[0].timeout, claude.deployments[0].stream_timeout) == (300, 30.5)
    assert claude.prices is not None  # from LiteLLM's own list
    assert min(claude.prices[name] or 0 for name in ("input_price", "cached_input_price", "output_price")) > 0
    assert claude.context_length >= 100_000
    assert models["text-embedding"].kind == "embedding"
    assert models["text-embedding"].deployments[0].provider_model == "openai/text-embedding-3-small"
    assert models["text-embedding"].deployments[0].api_base == "https://api.openai.com/v1"
    assert read.routing == {
        "num_retries": 2,  # the router's word over the library's
        "fallbacks": {"vllm-model": ["claude-haiku-4-5"], "gpt-3.5-turbo": ["claude-haiku-4-5"]},
        "context_window_fallbacks": {"vllm-model": ["claude-haiku-4-5"]},
        "allowed_fails": 3,
        "cooldown_time": 30,
        "routing_strategy": "simple-shuffle",
    }


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"general_settings": {}}, "general_settings"),
        ({"environment_variables": {}}, "environment_variables"),
        ({"entry": {"tpm": 1}}, "model_list[0].tpm"),
        ({"params": {"api_version": "2024"}}, "model_list[0].litellm_params.api_version"),
        ({"params": {"mock_response": "x"}}, "model_list[0].litellm_params.mock_response"),
        ({"info": {"moon": 1}}, "model_list[0].model_info.moon"),
        ({"router_settings": {"redis_host": "x"}}, "router_settings.redis_host"),
        ({"litellm_settings": {"callbacks": ["x"]}}, "litellm_settings.callbacks"),
        ({"litellm_settings": {"routing_strategy": "simple-shuffle"}}, "litellm_settings.routing_strategy"),
        ({"litellm_settings": {"drop_params": False}}, "litellm_settings.drop_params"),
    ],
)
def test_a_setting_that_is_not_understood_is_named(changes: dict[str, Any], param: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_config(config(**changes))
    assert refused.value.param == param
    assert param in refused.value.message


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"params": {"rpm": "6"}}, "model_list[0].litellm_params.rpm"),
        ({"params": {"rpm": 0}}, "model_list[0].litellm_params.rpm"),
        ({"params": {"weight": True}}, "model_list[0].litellm_params.weight"),
        ({"params": {"timeout": 0}}, "model_list[0].litellm_params.timeout"),
        ({"params": {"timeout": float("nan")}}, "model_list[0].litellm_params.timeout"),
        ({"params": {"timeout": float("inf")}}, "model_list[0].litellm_params.timeout"),
        ({"params": {"api_base": "gpu:8000"}}, "model_list[0].litellm_params.api_base"),
        ({"params": {"model": "moonshine/x"}}, "model_list[0].litellm_params.model"),
        ({"params": {"model": "hosted_vllm/"}}, "model_list[0].litellm_params.model"),
        ({"params": {"input_cost_per_token": "cheap"}}, "model_list[0].input_cost_per_token"),
        ({"params": {"input_cost_per_token": -1}}, "model_list[0].input_cost_per_token"),
        ({"params": {"input_cost_per_token": "NaN"}}, "model_list[0].input_cost_per_token"),
        ({"params": {"input_cost_per_token": "1e9"}}, "model_list[0].input_cost_per_token"),
        ({"info": {"mode": "image_generation"}}, "model_list[0].model_info.mode"),
        ({"info": {"max_input_tokens": 0}}, "model_list[0].model_info.max_input_tokens"),
        ({"info": {"max_output_tokens": -5}}, "model_list[0].model_info.max_output_tokens"),
        ({"info": {"id": "x" * 121}}, "model_list[0].model_info.id"),
        ({"info": {"endpoints": "messages"}}, "model_list[0].model_info.endpoints"),
        ({"info": {"endpoints": ["chat"]}}, "model_list[0].model_info.endpoints"),
        ({"info": {"endpoints": [["messages"]]}}, "model_list[0].model_info.endpoints"),
        ({"entry": {"model_name": ""}}, "model_list[0].model_name"),
        ({"entry": {"model_name": 5}}, "model_list[0].model_name"),
        ({"entry": {"litellm_params": None}}, "model_list[0].litellm_params"),
        ({"more": ["moon"]}, "model_list[1]"),
        ({"router_settings": {"num_retries": -1}}, "num_retries"),
        ({"router_settings": {"routing_strategy": "usage-based-routing-v2"}}, "router_settings.routing_strategy"),
        ({"litellm_settings": {"fallbacks": [{"moon": ["mars"]}]}}, "fallbacks[0]"),
        ({"litellm_settings": {"fallbacks": [{"moon": 5}]}}, "fallbacks[0]"),
        ({"litellm_settings": {"fallbacks": ["moon"]}}, "fallbacks[0]"),
        ({"litellm_settings": ["x"]}, "litellm_settings"),
    ],
)
def test_a_value_that_makes_no_sense_is_named(changes: dict[str, Any], param: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_config(config(**changes))
    assert refused.value.param == param


@pytest.mark.parametrize(
    "text", ["", "[]", "x", "model_list: {}", "model_list: []", "a: [", "!!python/object:os.system x"]
)
def test_what_is_no_such_file(text: str) -> None:
    with pytest.raises(Invalid):
        parse_config(text)


def test_two_deployments_cannot_have_one_id() -> None:
    twin = {"model_name": "mars", "litellm_params": {"model": "hosted_vllm/mars"}, "model_info": {"id": "moon-1"}}
    with pytest.raises(Invalid) as refused:
        parse_config(config(more=[twin]))
    assert refused.value.param == "model_info.id"


def test_a_cached_token_costs_like_any_other_where_nothing_else_is_said() -> None:
    read = parse_config(config(params={"input_cost_per_token": 3.75e-8, "output_cost_per_token": 0}))
    assert list((read.models[0].prices or {}).values()) == [37_500_000, 37_500_000, 0, None, 0]
    assert parse_config(config()).models[0].prices is None
