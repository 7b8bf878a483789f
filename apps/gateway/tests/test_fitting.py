"""An engine is sent what it knows; a field that it would pass over in silence is refused, or asked of another."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from apps.catalog.contracts import Catalog, ModelFacts
from apps.common.errors import Invalid, Unavailable
from apps.gateway.attempts import Attempts
from apps.gateway.contracts import Call
from apps.gateway.fitting import check_supported, fitted
from apps.gateway.tests.test_attempts import MODEL, ROUTING
from apps.gateway.wires.openai import OpenAIMeter
from apps.keys.contracts import KeyFacts
from inference.client import EngineClient
from inference.fake.control import FakeServer
from inference.router import Deployment, EngineRouter

MOON = replace(MODEL, extensions=frozenset({"top_k", "chat_template_kwargs.enable_thinking", "continue_final_message"}))
SUN = replace(MODEL, public_name="sun", extensions=frozenset({"top_k"}))
CATALOG = Catalog(version=1, models={"moon": MOON, "sun": SUN}, routing=ROUTING)
EXTENSIONS: dict[str, Any] = {"top_k": 5, "chat_template_kwargs": {"enable_thinking": False}}
MESSAGES = [{"role": "user", "content": "Hello"}]
TOOLS = [{"type": "function", "function": {"name": "look_up"}}]


def deployment(name: str = "a", *, group: str = "moon", provider: str = "hosted_vllm", **more: Any) -> Deployment:
    facts: dict[str, Any] = {"upstream_model": group, "api_base": "http://127.0.0.1:9/v1", "api_key": "", **more}
    return Deployment(id=name, model_group=group, provider=provider, **facts)


def call(model: ModelFacts = MOON, **fields: Any) -> Call:
    payload = {"messages": MESSAGES, "max_tokens": 4, **fields}
    return Call(
        request_id="r",
        endpoint="chat.completions",
        key=cast(KeyFacts, SimpleNamespace(account_id=1)),
        address="",
        model=model,
        payload=payload,
        prompt_bytes=1,
        extensions=frozenset(payload) & {"top_k", "chat_template_kwargs", "continue_final_message"},
    )


@pytest.mark.parametrize(
    ("one", "left"),
    [
        (deployment(), {"top_k", "chat_template_kwargs"}),
        (deployment(group="sun"), {"top_k"}),
        (deployment(provider="anthropic"), set()),
        (deployment(group="nowhere"), set()),
    ],
    ids=["its own engine", "a model that knows one of them", "Claude", "a model that is gone"],
)
def test_extensions_go_where_they_are_known(one: Deployment, left: set[str]) -> None:
    asked = call(**EXTENSIONS)
    assert fitted(asked.payload, one, asked, CATALOG).keys() == {"messages", "max_tokens"} | left


async def opened_by(router: EngineRouter, asked: Call) -> str:
    async with EngineClient() as client:
        attempts = Attempts(router, client, CATALOG, asked, asked.payload)
        opened = await attempts.open(OpenAIMeter(prompt_estimate=1))
        await opened.upstream.close(finished=True)
        return opened.deployment.id


async def test_a_deployment_that_would_pass_over_a_field_is_passed_over_itself() -> None:
    with FakeServer() as fake:
        base = f"{fake.base_url}/v1"
        plain = deployment("plain", api_base=base, order=1, unsupported=frozenset({"tools"}))
        able = deployment("able", api_base=base, order=2)
        assert await opened_by(EngineRouter([plain, able]), call(tools=TOOLS)) == "able"
        assert await opened_by(EngineRouter([plain, able]), call(tools=[])) == "plain"
        assert await opened_by(EngineRouter([plain, able]), call()) == "plain"


async def test_a_request_that_would_mean_something_else_there_does_not_go_there() -> None:
    with FakeServer() as fake:
        claude = deployment("claude", provider="anthropic", api_base=fake.base_url)
        with pytest.raises(Unavailable):
            await opened_by(EngineRouter([claude]), call(continue_final_message=True))
        assert fake.log() == []
        own = deployment("own", api_base=f"{fake.base_url}/v1")
        assert await opened_by(EngineRouter([claude, own]), call(continue_final_message=True)) == "own"


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"tools": TOOLS}, "tools"),
        ({"tools": []}, ""),
        ({"best_of": 3, "n": 2}, "best_of"),
        ({"best_of": 2}, "best_of"),
        ({"best_of": 2, "n": 2}, ""),
        ({"best_of": 1}, ""),
        ({"temperature": 0}, ""),
    ],
)
def test_what_all_engines_would_pass_over_is_refused_by_name(fields: dict[str, Any], refused: str) -> None:
    model = replace(MOON, unsupported=frozenset({"tools", "best_of"}))
    if not refused:
        check_supported(model, fields)
        return
    with pytest.raises(Invalid) as error:
        check_supported(model, fields)
    assert (error.value.param, error.value.code) == (refused, "unsupported_parameter")
