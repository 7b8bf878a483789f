"""Gateways are replaced one after the other behind the edge, which is reloaded too: no call fails, no stream is cut."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from artemis_site.tests.desk import Desk
from artemis_site.tests.edges import CHAT, CHAT_PATH
from artemis_site.tests.errands import Key
from artemis_site.tests.planes import Plane
from artemis_site.tests.platform import Platform
from artemis_site.tests.test_failover import events_of, numbered, text_of
from deploy.edge.tests.edge import Edge, needs_nginx

pytestmark = needs_nginx
STREAMERS, ASKERS = 8, 4
TOKENS, TOKENS_PER_SECOND = 24, 12


@pytest.fixture
def gateways(plane: Plane) -> Iterator[tuple[Plane, Plane]]:
    """The first is the one that there is already."""
    with Plane(plane.platform) as second:
        yield plane, second


@pytest.fixture
def edge_before_two(gateways: tuple[Plane, Plane], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    upstream = ",".join(gateway.address for gateway in gateways)
    many = {"ADDRESS_RATE": "10000", "KEY_RATE": "10000"}
    edge = Edge(tmp_path_factory.mktemp("edge"), upstream, upstream, many)
    edge.start()
    yield edge
    edge.stop()


class Callers:
    """Some who read streams of two seconds, some who ask; each on a connection of its own, until told to stop."""

    def __init__(self, edge: Edge, key: Key) -> None:
        self.edge, self.key = edge, key
        self.done = False
        self.streams: list[Any] = []
        self.answers: list[Any] = []

    async def ask(self, content: str, **fields: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key.secret}"}
        async with httpx.AsyncClient(headers=headers, timeout=30, verify=self.context) as client:
            messages = [{"role": "user", "content": content}]
            return await client.post(self.edge.url + CHAT_PATH, json={**CHAT, "messages": messages, **fields})

    async def stream(self) -> None:
        while not self.done:
            try:
                answer = await self.ask("slow", stream=True, max_tokens=TOKENS)
                events = events_of(answer)
                whole = (text_of(events), events[-1:]) == (numbered(TOKENS), ["[DONE]"])
                self.streams.append(answer.status_code if whole else answer.text)
            except httpx.HTTPError as error:
                self.streams.append(repr(error))

    async def keep_asking(self) -> None:
        while not self.done:
            try:
                self.answers.append((await self.ask("Hello")).status_code)
            except httpx.HTTPError as error:
                self.answers.append(repr(error))
            await asyncio.sleep(0.2)

    async def during(self, gateways: tuple[Plane, Plane]) -> None:
        self.context = self.edge.context()
        callers = [asyncio.create_task(self.stream()) for _ in range(STREAMERS)]
        callers += [asyncio.create_task(self.keep_asking()) for _ in range(ASKERS)]
        await asyncio.sleep(1)
        for gateway in gateways:
            await asyncio.to_thread(gateway.restart)
            await asyncio.sleep(1)
            self.edge.reload()
            await asyncio.sleep(1)
        self.done = True
        await asyncio.gather(*callers)


def test_nobody_notices(edge_before_two: Edge, gateways: tuple[Plane, Plane], platform: Platform, desk: Desk) -> None:
    platform.primary.script(match="slow", tokens_per_second=TOKENS_PER_SECOND, output_tokens=TOKENS)
    key = desk.key(rpm_limit=1_000_000, tpm_limit=10**9, parallel_limit=1000)
    callers = Callers(edge_before_two, key)
    asyncio.run(callers.during(gateways))
    assert callers.streams == [200] * len(callers.streams)
    assert callers.answers == [200] * len(callers.answers)
    assert len(callers.streams) > 3 * STREAMERS
    assert len(callers.answers) > 10 * ASKERS
    upstreams = {entry["upstream"].rpartition(", ")[2] for entry in edge_before_two.log() if entry["status"] == 200}
    assert upstreams >= {gateway.address for gateway in gateways}
    usage = platform.settled_usage(key.public_id, requests=len(callers.streams) + len(callers.answers), seconds=30)
    assert usage["output_tokens"] == TOKENS * len(callers.streams) + CHAT["max_tokens"] * len(callers.answers)
