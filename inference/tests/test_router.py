"""The router over LiteLLM: order, failures, cooldown, and the strategies that learn from calls."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import litellm
import pytest

from inference.affinity import prefix_of
from inference.load import Load, LoadBoard
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
    router.failed(deployment("a", order=1))
    assert set(await picks(router)) == {"b"}


async def test_a_lone_deployment_cools_down_too() -> None:
    alone = deployment("a")
    router = EngineRouter([alone], allowed_fails=1, cooldown_time=30)
    router.failed(alone)
    assert set(await picks(router)) == {"a"}
    router.failed(alone)

    with pytest.raises(NoDeployment) as refused:
        await router.pick("moon")
    assert 0 < refused.value.retry_after <= 20


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


async def test_least_busy_hears_what_engines_say() -> None:
    board = LoadBoard()
    router = EngineRouter([deployment("a"), deployment("b")], routing_strategy="least-busy", board=board)
    board.update({"a": Load(9, 4, 0.5), "b": Load(3, 0, 0.1)})

    assert set(await picks(router)) == {"b"}


async def test_a_full_queue_spills_to_the_next_in_order_and_then_over() -> None:
    board = LoadBoard()
    router = EngineRouter([deployment("a", order=1, max_waiting=2), deployment("b", order=2)], board=board)
    board.update({"a": Load(8, 2, 0.9), "b": Load(0, 0, 0.0)})
    assert set(await picks(router)) == {"a"}
    board.update({"a": Load(8, 3, 0.9), "b": Load(0, 0, 0.0)})
    assert set(await picks(router)) == {"b"}
    board.update({"a": Load(8, 3, 0.9), "b": Load(8, 17, 0.9)})
    with pytest.raises(NoDeployment):
        await router.pick("moon", may_queue=False)
    assert set(await picks(router)) == {"a"}


async def test_a_model_may_have_a_strategy_of_its_own() -> None:
    dear, cheap = deployment("dear", cost=2e-6), deployment("cheap", cost=1e-6)
    router = EngineRouter([dear, cheap], strategies={"moon": "cost-based-routing"})
    assert set(await picks(router)) == {"cheap"}
    router = EngineRouter([dear, cheap], strategies={"moon": "primary-then-spill"})
    assert set(await picks(router)) == {"dear"}


async def test_a_conversation_goes_back_to_the_replica_that_knows_it() -> None:
    names = [deployment(name) for name in "abcd"]
    board = LoadBoard()
    router = EngineRouter(names, strategies={"moon": "prefix-aware"}, board=board)
    assert router.wants_prefix("moon")
    conversations = [prefix_of(bytes([number]) * 4096) for number in range(40)]
    first = [(await router.pick("moon", prefix=one)).id for one in conversations]
    assert len(set(first)) == 4
    again = [(await router.pick("moon", prefix=(*one, 7))).id for one in conversations]
    assert again == first

    board.update({first[0]: Load(30, 0, 0.5), **{one.id: Load(2, 0, 0.1) for one in names if one.id != first[0]}})
    assert (await router.pick("moon", prefix=conversations[0])).id != first[0]


async def test_one_request_probes_a_deployment_that_failed() -> None:
    alone = deployment("a")
    router = EngineRouter([alone], allowed_fails=0, cooldown_time=0.05)
    began = router.began(alone)
    router.failed(alone)
    router.ended(alone, began, well=False)
    with pytest.raises(NoDeployment):
        await router.pick("moon")
    await asyncio.sleep(0.06)
    probe = await router.pick("moon")
    router.began(probe)
    with pytest.raises(NoDeployment):
        await router.pick("moon")
    router.answered(probe)
    assert set(await picks(router)) == {"a"}


async def test_latency_goes_where_answers_come_sooner() -> None:
    a, b = deployment("a"), deployment("b")
    router = EngineRouter([a, b], routing_strategy="latency-based-routing")
    now = datetime.now(UTC)
    router.ended(a, now - timedelta(seconds=5), well=True)
    router.ended(b, now - timedelta(seconds=1), well=True)

    assert set(await picks(router)) == {"b"}


def test_what_an_engine_speaks_can_be_said_of_each_deployment() -> None:
    plain, old = deployment("a"), deployment("b", endpoints=frozenset({"chat.completions"}))
    assert plain.speaks("messages")
    assert plain.sends_tokens("messages")
    assert old.speaks("chat.completions")
    assert not old.speaks("messages")
    assert not old.sends_tokens("messages")


def test_llamacpp_is_asked_for_responses_in_chats_form() -> None:
    facts: Any = {"model_group": "m", "provider": "hosted_vllm", "upstream_model": "m", "api_base": "", "api_key": ""}
    vllm, llamacpp = Deployment(id="a", **facts), Deployment(id="b", one_choice=True, **facts)
    assert [one.speaks("responses") for one in (vllm, llamacpp)] == [True, False]
    assert all(one.speaks("chat.completions") for one in (vllm, llamacpp))


@pytest.mark.parametrize("strategy", ["simple-shuffle", "latency-based-routing"])
async def test_litellm_chooses_only_among_those_that_may(strategy: str) -> None:
    """Told by a name of its own that is pinned with it."""
    router = EngineRouter([deployment(name) for name in "abc"], routing_strategy=strategy)
    served = {(await router.pick("moon", tried={"a"})).id for _ in range(40)}
    assert "a" not in served and served <= {"b", "c"}


async def test_a_new_router_knows_what_the_one_before_it_knew() -> None:
    a, b, c = (deployment(name) for name in "abc")
    before = EngineRouter([a, b, c], allowed_fails=0, cooldown_time=20, strategies={"moon": "prefix-aware"})
    conversation = prefix_of(b"m" * 4096)
    home = await before.pick("moon", prefix=conversation)
    began = before.began(home)
    after = EngineRouter(
        [replace(one, weight=3) for one in (a, b, c)],
        allowed_fails=0,
        cooldown_time=20,
        strategies={"moon": "prefix-aware"},
        before=before,
    )
    assert {(await after.pick("moon", prefix=conversation)).id for _ in range(5)} == {home.id}

    before.failed(home)  # a request that was under way as the catalog changed
    before.ended(home, began, well=False)
    assert not after.is_closed(home)
    assert (await after.pick("moon", prefix=conversation)).id != home.id
    elsewhere = EngineRouter([replace(home, api_base="http://elsewhere/v1"), a, b, c][:1], before=after)
    assert elsewhere.is_closed(home)  # nothing is held against a new address


async def test_latencies_are_handed_on_of_those_that_stay() -> None:
    a, b, c = (deployment(name) for name in "abc")
    before = EngineRouter([a, b], routing_strategy="latency-based-routing")
    now = datetime.now(UTC)
    before.ended(a, now - timedelta(seconds=5), well=True)
    before.ended(b, now - timedelta(seconds=1), well=True)
    after = EngineRouter([a, replace(b, weight=2)], routing_strategy="latency-based-routing", before=before)
    assert set(await picks(after)) == {"b"}
    moved = replace(b, api_base="http://elsewhere/v1")
    later = EngineRouter([a, moved, c], routing_strategy="latency-based-routing", before=after)
    assert set(await picks(later, 60)) & {"c", "b"}  # LiteLLM tries first what it has not measured


def test_what_litellm_chooses_from_is_made_anew_only_where_it_changed() -> None:
    """Nor does LiteLLM keep the routers that were replaced."""

    def heard() -> int:
        lists = (litellm.callbacks, litellm.success_callback, litellm.failure_callback, litellm._async_success_callback)
        return sum(map(len, lists))

    a, b = deployment("a"), deployment("b")
    first = EngineRouter([a, b], routing_strategy="latency-based-routing")
    known = heard()
    routers = [first]
    for timeout in (1, 2, 3):
        again = [replace(one, timeout=timeout) for one in (a, b)]
        routers.append(EngineRouter(again, routing_strategy="latency-based-routing", before=routers[-1]))
    same = EngineRouter(
        [replace(one, max_waiting=2) for one in again], routing_strategy="latency-based-routing", before=routers[-1]
    )
    assert same._litellm == routers[-1]._litellm
    assert len({id(one._litellm["latency-based-routing"]) for one in routers}) == 4
    assert heard() == known
