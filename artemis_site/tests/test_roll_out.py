"""A roll-out, with streams open and calls arriving: none fails, every stream is whole, and each is billed once."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx

from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import Key
from artemis_site.tests.platform import SMALL_MODEL, Platform
from artemis_site.tests.test_failover import events_of, numbered, text_of
from artemis_site.tests.test_gateway_killed import children, workers
from artemis_site.tests.test_limits import body_of, wait_for
from deploy.local.platform import ROOT
from deploy.local.ports import free_port, is_free

STREAMS, TOKENS, TOKENS_PER_SECOND = 60, 48, 12
ENOUGH = 100  # calls, however slow the machine: whoever asks goes on until there were more


class Callers:
    """Sixty who read a stream of four seconds, and twelve who ask on a new connection each time."""

    def __init__(self, platform: Platform, key: Key) -> None:
        self.url = f"{platform.base_url}/v1/chat/completions"
        self.headers = {"Authorization": f"Bearer {key.secret}"}
        self.done = False
        self.statuses: list[Any] = []

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(headers=self.headers, timeout=30, limits=httpx.Limits(max_connections=STREAMS))

    async def post(self, client: httpx.AsyncClient, content: str, **fields: Any) -> httpx.Response:
        messages = [{"role": "user", "content": content}]
        return await client.post(self.url, json={"model": SMALL_MODEL, "messages": messages, **fields})

    async def keep_asking(self, pause: float) -> None:
        while not self.done or len(self.statuses) <= ENOUGH:
            try:
                async with self.client() as client:
                    self.statuses.append((await self.post(client, "Hello", max_tokens=5)).status_code)
            except httpx.HTTPError as error:
                self.statuses.append(repr(error))
            await asyncio.sleep(pause)

    async def roll(self, master: int) -> list[httpx.Response]:
        async with self.client() as client:
            streams = [
                asyncio.create_task(self.post(client, "slow", max_tokens=TOKENS, stream=True)) for _ in range(STREAMS)
            ]
            others = [asyncio.create_task(self.keep_asking(0.05 + number / 200)) for number in range(12)]
            await asyncio.sleep(1.5)
            os.kill(master, signal.SIGHUP)
            answers = await asyncio.gather(*streams)
            self.done = True
            await asyncio.gather(*others)
        return answers


def test_new_workers_take_over_while_the_old_ones_finish(platform: Platform, desk: Desk) -> None:
    platform.primary.script(match="slow", tokens_per_second=TOKENS_PER_SECOND, output_tokens=TOKENS)
    key = desk.key(rpm_limit=1_000_000, tpm_limit=10**9, parallel_limit=1000)
    before = set(workers(platform))
    callers = Callers(platform, key)
    answers = asyncio.run(callers.roll(platform.child("gunicorn")))

    for answer in answers:
        events = events_of(answer)
        assert (text_of(events), events[-1]) == (numbered(TOKENS), "[DONE]")
    assert callers.statuses == [200] * len(callers.statuses)
    assert len(callers.statuses) > ENOUGH
    bill = desk.bill(key, requests=STREAMS + len(callers.statuses), seconds=30)
    assert {request.outcome for request in bill.requests} == {"completed"}
    assert sum(request.output_tokens for request in bill.requests) == STREAMS * TOKENS + 5 * len(callers.statuses)
    wait_until_gone(platform, before)


def wait_until_gone(platform: Platform, before: set[int]) -> None:
    deadline = time.monotonic() + 10
    while before & set(workers(platform)):
        assert time.monotonic() < deadline, "the old workers are still there"
        time.sleep(0.1)


def ask_until_told(connection: HTTPConnection, key: Key, number: int) -> int:
    """How often a connection was answered before it was told that the server closes it. Raises where it was not."""
    time.sleep(number / 100)
    answered = 0
    while connection.sock:
        headers = {"Authorization": f"Bearer {key.secret}", "Content-Type": "application/json"}
        connection.request("POST", "/v1/chat/completions", body_of(model=SMALL_MODEL), headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        answered += 1
        time.sleep(0.15)
    return answered


def test_a_connection_is_told_before_it_is_closed(platform: Platform, desk: Desk) -> None:
    """A pool's caller who writes a request while the server lets go would not know whether it was taken."""
    key = desk.key(rpm_limit=1_000_000, parallel_limit=1000)
    before = set(workers(platform))
    connections = [HTTPConnection("127.0.0.1", platform.port, timeout=10) for _ in range(24)]
    with ThreadPoolExecutor(len(connections)) as pool, contextlib.ExitStack() as opened:
        for connection in connections:
            connection.connect()
            opened.callback(connection.close)
        answered = [pool.submit(ask_until_told, one, key, number) for number, one in enumerate(connections[:16])]
        late = connections[16:]  # connected, and silent until the old workers have begun to go
        time.sleep(0.5)
        os.kill(platform.child("gunicorn"), signal.SIGHUP)
        while len(set(workers(platform)) - before) < len(before):
            time.sleep(0.02)
        time.sleep(0.5)
        answered += [pool.submit(ask_until_told, one, key, number) for number, one in enumerate(late)]
        counts = [one.result() for one in answered]
    assert min(counts) >= 1
    assert max(counts) >= 3
    desk.bill(key, requests=sum(counts), seconds=30)
    wait_until_gone(platform, before)


SLOW_APPLICATION = """
import asyncio

async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        for what in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{what}.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for number in range(12):
        await send({"type": "http.response.body", "body": b"%d " % number, "more_body": True})
        await asyncio.sleep(0.4)
    await send({"type": "http.response.body"})
"""


def test_a_stream_may_outlast_the_masters_patience_with_a_silent_worker(tmp_path: Path) -> None:
    """A minute in production, a second here: a worker that finishes its streams is not a silent one."""
    (tmp_path / "slow.py").write_text(SLOW_APPLICATION)
    port = free_port()
    environment = {**os.environ, "ARTEMIS_HOME": str(tmp_path), "ARTEMIS_PORT": str(port), "WEB_CONCURRENCY": "1"}
    command = [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.py", "--timeout", "1"]
    with (tmp_path / "log").open("wb") as log:
        master = subprocess.Popen(
            [*command, "--pythonpath", str(tmp_path), "slow:application"],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        wait_for(lambda: not is_free(port))
        with httpx.stream("GET", f"http://127.0.0.1:{port}/", timeout=10) as answer:
            parts = answer.iter_text()
            read = next(parts)
            (worker,) = children(master.pid)
            os.kill(worker, signal.SIGTERM)
            read += "".join(parts)
    finally:
        master.terminate()
        master.wait(10)
    assert read.split() == [str(number) for number in range(12)]
    assert "TIMEOUT" not in (tmp_path / "log").read_text()
