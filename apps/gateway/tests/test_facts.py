"""A catalog that changes: what is known of its engines stays, and nobody waits for the new router but who needs it."""

import asyncio
import time

import pytest

from apps.catalog.models import AIModel, Deployment, RoutingPolicy
from apps.common.database import in_thread
from apps.gateway.facts import OfferCache
from inference.affinity import prefix_of
from inference.load import Load, LoadBoard

pytestmark = pytest.mark.django_db(transaction=True)
CONVERSATION = prefix_of(b"Tell me of the moon." * 200)


def model(name: str, replicas: int, strategy: str) -> None:
    made = AIModel.objects.create(public_name=name, context_length=100, max_output_tokens=10)
    for number in range(replicas):
        Deployment.objects.create(
            ai_model=made,
            name=f"{name}-{number}",
            provider_model=f"hosted_vllm/{name}",
            api_base="http://127.0.0.1:9/v1",
            model_info={"routing_strategy": strategy},
        )


def many_models() -> None:
    for number in range(300):
        model(f"moon-{number}", 2, "simple-shuffle")


def price_changes() -> None:
    AIModel.objects.filter(public_name="moon").update(max_output_tokens=11)
    RoutingPolicy.objects.update_or_create(pk=1, defaults={"version": 7, "cooldown_time": 20})


async def test_a_change_of_the_catalog_forgets_nothing_of_the_engines_that_stay() -> None:
    await in_thread(lambda: model("moon", 3, "prefix-aware"))
    board = LoadBoard()
    offers = OfferCache(board)
    old = (await offers.get()).router
    home = await old.pick("moon", prefix=CONVERSATION)
    for _ in range(10):
        old.failed(home)
    board.update({home.id: Load(30, 0, 0.5)})
    assert not old.is_closed(home)
    shelter = await old.pick("moon", prefix=CONVERSATION)

    await in_thread(price_changes)
    new = (await offers.read()).router

    assert new is not old
    assert not new.is_closed(home)
    assert {(await new.pick("moon", prefix=CONVERSATION)).id for _ in range(5)} == {shelter.id}
    assert board.requests(home.id) == 30
    for router in (old, new):  # a request that began before the change and ends after it
        router.answered(home)
        assert new.is_closed(home) and old.is_closed(home)


async def test_the_event_loop_goes_on_while_the_new_router_is_made() -> None:
    await in_thread(many_models)
    offers = OfferCache(LoadBoard())
    await offers.get()
    await in_thread(lambda: Deployment.objects.update(timeout=7))
    longest, over = 0.0, asyncio.create_task(offers.read())
    before = time.monotonic()
    while not over.done():
        began = time.monotonic()
        await asyncio.sleep(0.001)
        longest = max(longest, time.monotonic() - began)
    took = time.monotonic() - before

    assert (await over).router.deployments()
    assert took > 0.1  # it is work worth a thread
    assert longest < took / 3
