"""PostgreSQL frozen, killed and back: calls go on, what nobody knows yet is a 503, the bill is exact."""

import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from artemis_site.tests.desk import Desk
from artemis_site.tests.platform import Platform
from artemis_site.tests.test_redis_away import ask, until_both_know


@pytest.fixture(autouse=True)
def _well_afterwards(platform: Platform, desk: Desk) -> Iterator[None]:
    """Each gateway worker finds PostgreSQL again by itself, which takes seconds; the next test begins then."""
    yield
    until_both_know(platform, desk.key())


def tree(pid: int) -> list[int]:
    """The server and all its backends."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in tree(int(child)))]


@contextlib.contextmanager
def frozen_postgres(platform: Platform) -> Iterator[None]:
    pids = tree(platform.child("bin/postgres"))
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_calls_go_on_while_postgres_is_frozen(platform: Platform, desk: Desk) -> None:
    known, unknown = desk.key(), desk.key()
    asked = until_both_know(platform, known)
    with frozen_postgres(platform):
        statuses = [ask(platform, known, stream=bool(number % 2)).status_code for number in range(20)]
        began = time.monotonic()
        refused = ask(platform, unknown)
        assert (refused.status_code, time.monotonic() - began < 7) == (503, True)
        assert int(refused.headers["retry-after"]) >= 1
        assert ask(platform, known).status_code == 200
    assert statuses == [200] * 20
    desk.bill(known, requests=asked + 21, seconds=30)
    assert ask(platform, unknown).status_code == 200


def test_postgres_killed_under_load_loses_and_doubles_nothing(platform: Platform, desk: Desk) -> None:
    """It is started again by the supervisor; the worker drains what waits in Redis."""
    key = desk.key(rpm_limit=1_000_000, parallel_limit=1000)
    asked = until_both_know(platform, key)
    platform.primary.reset()
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(ask, platform, key, stream=bool(number % 2)) for number in range(60)]
        os.kill(platform.child("bin/postgres"), signal.SIGKILL)
        answers += [pool.submit(ask, platform, key) for _ in range(60)]
    statuses = Counter(answer.result().status_code for answer in answers)
    assert statuses == {200: 120}
    wait_for_desk(desk)
    bill = desk.bill(key, requests=asked + 120, seconds=30)
    generated = sum(entry["generated_tokens"] for entry in platform.primary.log())
    assert sum(request.output_tokens for request in bill.requests[:120]) == generated


def wait_for_desk(desk: Desk) -> None:
    """Its own connection is one of those that broke."""
    deadline = time.monotonic() + 20
    while True:
        try:
            desk.key()
        except AssertionError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        else:
            return
