"""The router over LiteLLM: order, failures, cooldown, and the strategies that learn from calls."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from inference.router import Deployment, EngineRouter, NoDeployment


def deployment(name: str, **more: object) -> Deployment:
    return Deployment(
        id=name,
        model_group="moon",
        provider="hosted_vllm",
        upstream_model="moon",
        api_base=f"http://{name}/v1",
        api_key="",
        **more,
    )


async def picks(router: EngineRouter, times: int = 20) -> Counter[str]:
    return Counter([(await router.pick("moon")).id for _ in range(times)])


async def test_the_first_by_order_answers_and_the_next_takes_over() -> None:
    router = EngineRouter([deployment("a", order=1), deployment("b", order=2)], allowed_fails=0)

    assert set(await picks(router)) == {"a"}
    assert (await router.pick("moon", tried={"a"})).id == "b"
    router.report_failure(deployment("a", order=1), status=500, message="boom")
    assert set(await picks(router)) == {"b"}


async def test_a_lone_deployment_cools_down_too() -> None:
    alone = deployment("a")
    router = EngineRouter([alone], allowed_fails=1, cooldown_time=30)
    router.report_failure(alone, status=500, message="boom")
    assert set(await picks(router)) == {"a"}
    router.report_failure(alone, status=500, message="boom")

    with pytest.raises(NoDeployment) as refused:
        await router.pick("moon")
    assert 0 < refused.value.retry_after <= 30


async def test_all_tried_or_an_unknown_model_is_no_deployment() -> None:
    router = EngineRouter([deployment("a")])

    with pytest.raises(NoDeployment):
        await router.pick("moon", tried={"a"})
    with pytest.raises(NoDeployment):
        await router.pick("sun")


async def test_weights_share_the_load() -> None:
    router = EngineRouter([deployment("a", weight=9), deployment("b", weight=1)])

    shares = await picks(router, times=400)
    assert shares["a"] > shares["b"] > 0


async def test_least_busy_goes_where_less_is_under_way() -> None:
    a, b = deployment("a"), deployment("b")
    router = EngineRouter([a, b], routing_strategy="least-busy")
    first = router.began(a)

    assert set(await picks(router)) == {"b"}
    router.began(b)
    router.began(b)
    assert set(await picks(router)) == {"a"}
    router.ended(a, first, well=True)
    assert set(await picks(router)) == {"a"}


async def test_latency_goes_where_answers_come_sooner() -> None:
    a, b = deployment("a"), deployment("b")
    router = EngineRouter([a, b], routing_strategy="latency-based-routing")
    now = datetime.now(UTC)
    router.ended(a, now - timedelta(seconds=5), well=True)
    router.ended(b, now - timedelta(seconds=1), well=True)

    assert set(await picks(router)) == {"b"}


def test_llamacpp_is_asked_for_responses_in_chats_form() -> None:
    facts: Any = {"model_group": "m", "provider": "hosted_vllm", "upstream_model": "m", "api_base": "", "api_key": ""}
    vllm, llamacpp = Deployment(id="a", **facts), Deployment(id="b", one_choice=True, **facts)
    assert [one.speaks("responses") for one in (vllm, llamacpp)] == [True, False]
    assert all(one.speaks("chat.completions") for one in (vllm, llamacpp))
