"""An engine that is asked for each choice apart is not asked for any number of them."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from apps.catalog.contracts import Catalog, ModelFacts, RoutingFacts
from apps.common.errors import Invalid
from apps.gateway.attempts import Attempts
from apps.gateway.contracts import Call
from apps.gateway.wires.openai import OpenAIMeter
from apps.keys.contracts import KeyFacts
from inference.apart import MOST_APART
from inference.client import EngineClient
from inference.fake.control import FakeServer
from inference.router import Deployment, EngineRouter

MODEL = ModelFacts(
    public_name="moon",
    kind="chat",
    description="",
    owned_by="",
    account_id=None,
    capabilities=(),
    extensions=frozenset(),
    context_length=32_768,
    max_output_tokens=64,
    dimensions=None,
    created_at=datetime.now(UTC),
    prices=(),
    deployments=(),
)
ROUTING = RoutingFacts(
    fallbacks={},
    context_window_fallbacks={},
    num_retries=0,
    allowed_fails=3,
    cooldown_time=1,
    routing_strategy="simple-shuffle",
)


def attempts(fake: FakeServer, client: EngineClient, payload: dict[str, Any], choices: int) -> Attempts:
    deployment = Deployment(
        id="moon-a",
        model_group="moon",
        provider="hosted_vllm",
        upstream_model="moon",
        api_base=f"{fake.base_url}/v1",
        api_key="engine-key",
        one_choice=True,
    )
    call = Call(
        request_id="r",
        endpoint="completions",
        key=cast(KeyFacts, SimpleNamespace(account_id=1)),
        address="",
        model=MODEL,
        payload=payload,
        prompt_bytes=100,
        choices=choices,
    )
    catalog = Catalog(version=1, models={"moon": MODEL}, routing=ROUTING)
    return Attempts(EngineRouter([deployment]), client, catalog, call, payload)


async def test_more_choices_than_connections_are_refused_and_the_engine_is_not_asked() -> None:
    with FakeServer() as fake:
        async with EngineClient() as client:
            few = {"prompt": ["a"] * 2, "n": MOST_APART // 2, "max_tokens": 1}
            opened = await attempts(fake, client, few, MOST_APART).open(OpenAIMeter(prompt_estimate=1))
            await opened.upstream.close(finished=True)
            assert len(fake.log()) == MOST_APART
            many = few | {"prompt": ["a"] * 2048}
            with pytest.raises(Invalid, match="ask for fewer, or in several requests") as refused:
                await attempts(fake, client, many, MOST_APART + 1).open(OpenAIMeter(prompt_estimate=1))
        assert refused.value.param == "prompt"
        assert len(fake.log()) == MOST_APART
