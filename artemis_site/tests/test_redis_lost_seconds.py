"""Redis comes back without its last seconds, as after a power cut or with a replica that was behind: nothing that was
answered is lost from the bill, nothing is billed twice, and what is in flight holds again."""

import os
import signal
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx

from apps.common.tests.redis_server import copy_of_appended, put_back
from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import Key, bill_of, spent_by
from artemis_site.tests.platform import SMALL_MODEL, Platform
from artemis_site.tests.report import ROWS
from artemis_site.tests.test_limits import INPUT_PRICE, OUTPUT_PRICE
from artemis_site.tests.test_redis_away import redis_pid, until_both_know

LONG = "Tell me at length"


def caller(platform: Platform, key: Key) -> httpx.Client:
    """Of a connection for each request, so that both workers are asked."""
    headers = {"Authorization": f"Bearer {key.secret}"}
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.Client(base_url=platform.base_url, headers=headers, limits=limits, timeout=30)


def ask(client: httpx.Client, content: str, *, max_tokens: int, stream: bool) -> httpx.Response:
    messages = [{"role": "user", "content": content}]
    body = {"model": SMALL_MODEL, "messages": messages, "max_tokens": max_tokens, "stream": stream}
    return client.post("/v1/chat/completions", json=body)


def settlements_in(folder: Path) -> int:
    """How many there are in the files that Redis appends to."""
    return sum(file.read_bytes().count(b"art:usage\r\n") for file in folder.glob("*.aof"))


def lose_the_end(platform: Platform, copy: Path) -> int:
    """Ends Redis as it stands, with a disk that has only what the copy has; how many settlements that costs."""
    pid = redis_pid(platform)
    os.kill(pid, signal.SIGSTOP)  # from now on it writes nothing
    folder = platform.home / "redis"
    lost = settlements_in(folder / "appendonlydir") - settlements_in(copy)
    put_back(folder, copy)
    os.kill(pid, signal.SIGKILL)  # the supervisor starts another
    return lost


def open_holds(desk: Desk, key: Key) -> int | None:
    """None while there is no Redis."""
    try:
        return desk.call(bill_of, key.public_id).open_holds
    except AssertionError:
        return None


def test_redis_back_without_its_last_seconds(platform: Platform, desk: Desk) -> None:
    key = desk.key(rpm_limit=1_000_000, parallel_limit=1000, monthly_budget=10**12)
    asked = until_both_know(platform, key)
    desk.bill(key, requests=asked)
    platform.primary.reset()
    platform.primary.script(match=LONG, tokens_per_second=6, output_tokens=64)
    platform.primary.script(tokens_per_second=100, output_tokens=5)
    began = time.monotonic()
    with caller(platform, key) as client, ThreadPoolExecutor(16) as pool:
        long: list[Future[httpx.Response]] = []
        short: list[Future[httpx.Response]] = []

        def send_long(count: int) -> None:
            for _ in range(count):
                long.append(pool.submit(ask, client, LONG, max_tokens=64, stream=True))
            platform.primary.wait_log(lambda _: len(platform.primary.log()) >= len(long))

        def send_short(count: int) -> None:
            for number in range(count):
                short.append(pool.submit(ask, client, "Hello", max_tokens=5, stream=bool(number % 2)))

        send_long(2)
        copy = copy_of_appended(platform.home / "redis")
        send_long(2)
        send_short(60)
        for answer in short:
            answer.result()
        send_short(60)
        time.sleep(0.3)
        lost = lose_the_end(platform, copy)
        send_short(60)
        statuses = Counter(answer.result().status_code for answer in short)
        assert not any(answer.done() for answer in long)
        deadline = time.monotonic() + 6
        while open_holds(desk, key) != len(long):
            assert time.monotonic() < deadline, "what is in flight does not hold"
            time.sleep(0.05)
        statuses += Counter(answer.result().status_code for answer in long)
    assert lost >= 60
    assert set(statuses) <= {200, 503}, "never 401, 403 or 404"
    assert statuses[200] >= 150
    bill = desk.bill(key, requests=asked + statuses[200], seconds=30)
    delivered = [entry for entry in platform.primary.log() if entry["finished"]]
    assert len(delivered) == statuses[200]
    tokens = sum(request.output_tokens for request in bill.requests[: statuses[200]])  # the newest first
    assert tokens == sum(entry["generated_tokens"] for entry in delivered)
    assert bill.cost == desk.call(spent_by, key)
    assert bill.cost == sum(
        request.input_tokens * INPUT_PRICE + request.output_tokens * OUTPUT_PRICE for request in bill.requests
    )
    saw = ", ".join(f"{count} of {status}" for status, count in sorted(statuses.items()))
    name = f"Redis back without its last {lost} settlements"
    ROWS.append((name, True, saw, time.monotonic() - began, (len(delivered), 0, 0), tokens, bill.cost))
