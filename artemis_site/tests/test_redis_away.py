"""Redis frozen, killed and back: who is known goes on within a bounded share, nobody is told 401, the bill is exact."""

import contextlib
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import Key
from artemis_site.tests.platform import SMALL_MODEL, Platform
from artemis_site.tests.test_limits import INPUT_PRICE, OUTPUT_PRICE, body_of, most_expensive

WORKERS = 2
SHARE = 0.1


def redis_pid(platform: Platform) -> int:
    return platform.child("valkey-server")


@contextlib.contextmanager
def frozen_redis(platform: Platform) -> Iterator[None]:
    pid = redis_pid(platform)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def ask(platform: Platform, key: Key, *, stream: bool = False) -> httpx.Response:
    """On a connection of its own, so that both workers are asked."""
    body = json.loads(body_of(model=SMALL_MODEL)) | {"stream": stream}
    return platform.post("/v1/chat/completions", api_key=key.secret, json=body)


def until_both_know(platform: Platform, key: Key) -> int:
    """Asks, many at once so that no worker is left out, until all are answered; how many requests that took."""
    answered = 0
    deadline = time.monotonic() + 15
    with ThreadPoolExecutor(8) as pool:
        while True:
            statuses = [answer.status_code for answer in pool.map(lambda _: ask(platform, key), range(24))]
            answered += statuses.count(200)
            if statuses.count(200) == len(statuses):
                return answered
            assert time.monotonic() < deadline, f"not back by itself: {statuses}"


def wait_until_back(platform: Platform, key: Key) -> None:
    """A Redis that was away is looked for twice a second."""
    deadline = time.monotonic() + 3
    while ask(platform, key).status_code != 200:
        assert time.monotonic() < deadline, "not back by itself"
        time.sleep(0.1)


def test_a_frozen_redis_leaves_known_keys_a_bounded_share(platform: Platform, desk: Desk) -> None:
    known, unknown = desk.key(rpm_limit=100), desk.key()
    asked = until_both_know(platform, known)
    with frozen_redis(platform):
        began = time.monotonic()
        first = ask(platform, known)
        assert first.status_code == 200
        assert time.monotonic() - began < 2
        refused = ask(platform, unknown)
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        took: list[float] = []
        answers = [first]
        for number in range(40):
            began = time.monotonic()
            answers.append(ask(platform, known, stream=bool(number % 2)))
            took.append(time.monotonic() - began)
        assert sorted(took)[len(took) // 2] < 0.5, "only some look for Redis, the others do not wait"
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) == {200, 503}
    # A tenth of a hundred a minute for each worker, and what comes back of it meanwhile.
    assert 10 <= statuses[200] <= WORKERS * (100 * SHARE + 3)
    bill = desk.bill(known, requests=asked + statuses[200], seconds=30)
    assert {request.outcome for request in bill.requests} == {"completed"}
    wait_until_back(platform, unknown)


def test_a_budget_is_not_overspent_without_redis(platform: Platform, desk: Desk) -> None:
    body = body_of(model=SMALL_MODEL)
    dearest = most_expensive(body)
    key = desk.key(monthly_budget=60 * dearest)
    asked = until_both_know(platform, key)
    with frozen_redis(platform):
        statuses = Counter(ask(platform, key).status_code for _ in range(80))
    assert set(statuses) <= {200, 503}
    bill = desk.bill(key, requests=asked + statuses[200], seconds=30)
    assert bill.cost <= 60 * dearest
    price = bill.requests[0].input_tokens * INPUT_PRICE + 5 * OUTPUT_PRICE
    assert statuses[200] * price <= WORKERS * 60 * dearest * SHARE


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_redis_killed_under_load_loses_and_doubles_nothing(platform: Platform, desk: Desk, stream: bool) -> None:
    """It is started again within a second by the supervisor, with what it had on disk."""
    key = desk.key(rpm_limit=1_000_000, parallel_limit=1000)
    asked = until_both_know(platform, key)
    platform.primary.reset()
    platform.primary.script(tokens_per_second=100, output_tokens=5)
    answers: list[Any] = []

    def send(number: int) -> None:
        answers.append(ask(platform, key, stream=stream))

    with ThreadPoolExecutor(12) as pool:
        for number in range(160):
            pool.submit(send, number)
            if number == 60:
                time.sleep(0.3)
                os.kill(redis_pid(platform), signal.SIGKILL)
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) <= {200, 503}, "never 401, 403 or 404"
    assert statuses[200] > 60
    bill = desk.bill(key, requests=asked + statuses[200], seconds=30)
    delivered = [entry for entry in platform.primary.log() if entry["finished"]]
    assert len(delivered) == statuses[200]
    generated = sum(entry["generated_tokens"] for entry in delivered)
    settled = bill.requests[: statuses[200]]  # the newest first
    assert sum(request.output_tokens for request in settled) == generated
    assert bill.cost == sum(
        request.input_tokens * INPUT_PRICE + request.output_tokens * OUTPUT_PRICE for request in bill.requests
    )
