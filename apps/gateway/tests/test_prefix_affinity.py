"""Conversations go back to the replica whose cache has them: seen in what the engines themselves count as cached."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from apps.catalog.contracts import Catalog
from apps.gateway.attempts import Attempts
from apps.gateway.contracts import Call
from apps.gateway.tests.test_attempts import MODEL, ROUTING
from apps.gateway.wires.openai import OpenAIMeter
from apps.keys.contracts import KeyFacts
from inference.client import EngineClient
from inference.fake.control import FakeServer
from inference.load import Load, LoadBoard
from inference.router import PREFIX_AWARE, Deployment, EngineRouter

CONVERSATIONS, TURNS = 30, 4
CATALOG = Catalog(version=1, models={"moon": MODEL}, routing=ROUTING)


@pytest.fixture(scope="module")
def engines() -> Iterator[dict[str, FakeServer]]:
    with FakeServer() as a, FakeServer() as b, FakeServer() as c:
        yield {"a": a, "b": b, "c": c}


@pytest.fixture(autouse=True)
def _caching(engines: dict[str, FakeServer]) -> Iterator[None]:
    for engine in engines.values():
        engine.reset()
        engine.script(prefix_cache=True)
    yield


@dataclass
class Conversation:
    number: int
    messages: list[dict[str, str]] = field(default_factory=list)
    homes: list[str] = field(default_factory=list)
    cached: list[int] = field(default_factory=list)

    async def turn(self, router: EngineRouter, client: EngineClient) -> None:
        """Asks the next question, as the gateway does, and notes who answered and what was cached there."""
        text = f"In conversation {self.number} I ask for the {len(self.messages)}th time of the moon. " * 20
        self.messages.append({"role": "user", "content": text})
        payload = {"messages": self.messages, "max_tokens": 4}
        call = Call(
            request_id=f"r{self.number}",
            endpoint="chat.completions",
            key=cast(KeyFacts, SimpleNamespace(account_id=1)),
            address="",
            model=MODEL,
            payload=payload,
            prompt_bytes=1,
        )
        opened = await Attempts(router, client, CATALOG, call, payload).open(OpenAIMeter(prompt_estimate=1))
        await opened.upstream.close(finished=True)
        opened.ended(well=True)
        answer: dict[str, Any] = msgspec.json.decode(opened.first)
        self.messages.append({"role": "assistant", "content": answer["choices"][0]["message"]["content"]})
        self.homes.append(opened.deployment.id)
        self.cached.append(answer["usage"]["prompt_tokens_details"]["cached_tokens"])


def router_of(engines: dict[str, FakeServer], *, board: LoadBoard, before: EngineRouter | None = None) -> EngineRouter:
    deployments = [
        Deployment(
            id=name,
            model_group="moon",
            provider="hosted_vllm",
            upstream_model="moon",
            api_base=f"{engine.base_url}/v1",
            api_key="",
        )
        for name, engine in engines.items()
    ]
    return EngineRouter(deployments, strategies={"moon": PREFIX_AWARE}, board=board, before=before)


async def turns(conversations: list[Conversation], router: EngineRouter, client: EngineClient, times: int) -> None:
    """All conversations side by side, a few requests at once."""
    for _ in range(times):
        for start in range(0, len(conversations), 4):
            await asyncio.gather(*(one.turn(router, client) for one in conversations[start : start + 4]))


def moved(conversations: list[Conversation], since: int) -> list[Conversation]:
    """Those that were not answered where they were answered `since` turns before."""
    return [one for one in conversations if len(set(one.homes[-since - 1 :])) > 1]


async def test_each_turn_finds_what_was_said_before_in_the_cache(engines: dict[str, FakeServer]) -> None:
    two = {name: engines[name] for name in "ab"}
    conversations = [Conversation(number) for number in range(CONVERSATIONS)]
    async with EngineClient() as client:
        await turns(conversations, router_of(two, board=LoadBoard()), client, TURNS)

    assert not moved(conversations, TURNS - 1)
    spread = Counter(one.homes[0] for one in conversations)
    assert min(spread["a"], spread["b"]) >= CONVERSATIONS // 5
    for one in conversations:
        assert one.cached[0] == 0
        assert all(later > earlier for earlier, later in zip(one.cached, one.cached[1:], strict=False))
    asked = {name: len(engine.log()) for name, engine in two.items()}
    assert asked == {name: count * TURNS for name, count in spread.items()}


async def test_without_affinity_the_caches_are_missed(engines: dict[str, FakeServer]) -> None:
    """What the test above sees is the strategy's doing."""
    two = router_of({name: engines[name] for name in "ab"}, board=LoadBoard())
    router = EngineRouter(two.deployments(), routing_strategy="simple-shuffle")
    conversations = [Conversation(100 + number) for number in range(CONVERSATIONS)]
    async with EngineClient() as client:
        await turns(conversations, router, client, TURNS)
    assert len(moved(conversations, TURNS - 1)) > CONVERSATIONS // 2


async def test_an_overloaded_replica_hands_over_and_nobody_else_moves(engines: dict[str, FakeServer]) -> None:
    board = LoadBoard()
    two = {name: engines[name] for name in "ab"}
    router = router_of(two, board=board)
    conversations = [Conversation(200 + number) for number in range(CONVERSATIONS)]
    async with EngineClient() as client:
        await turns(conversations, router, client, 2)
        board.update({"a": Load(30, 10, 0.9), "b": Load(1, 0, 0.1)})
        await turns(conversations, router, client, 1)
        assert {one.homes[-1] for one in conversations} == {"b"}
        assert {one.homes[-2] for one in moved(conversations, 1)} == {"a"}

        board.update({})  # the rush is over; who moved has its conversation in both caches, and may stay
        await turns(conversations, router, client, 2)
    homes_of_b = [one for one in conversations if one.homes[0] == "b"]
    assert not moved(homes_of_b, 4)
    assert len(moved(conversations, 1)) <= CONVERSATIONS // 10


async def test_a_replica_that_leaves_and_comes_back_moves_only_its_own(engines: dict[str, FakeServer]) -> None:
    board = LoadBoard()
    all_three = router_of(engines, board=board)
    conversations = [Conversation(300 + number) for number in range(CONVERSATIONS)]
    async with EngineClient() as client:
        await turns(conversations, all_three, client, 2)
        lived_there = [one for one in conversations if one.homes[-1] == "c"]
        assert 0 < len(lived_there) <= CONVERSATIONS // 2

        left = router_of({name: engines[name] for name in "ab"}, board=board, before=all_three)
        await turns(conversations, left, client, 1)
        assert moved(conversations, 1) == lived_there
        assert {one.homes[-1] for one in lived_there} == {"a", "b"}
        await turns(conversations, left, client, 1)
        assert not moved(conversations, 1)

        back = router_of(engines, board=board, before=left)
        await turns(conversations, back, client, 1)
        assert not moved([one for one in conversations if one not in lived_there], 1)
        assert {one.homes[-1] for one in moved(conversations, 1)} <= {"c"}
        await turns(conversations, back, client, 2)
        assert not moved(conversations, 2)
        newcomers = [Conversation(400 + number) for number in range(CONVERSATIONS)]
        await turns(newcomers, back, client, 1)
    assert {one.homes[0] for one in newcomers} == {"a", "b", "c"}
