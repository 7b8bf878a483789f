"""Many streams take no database connection; a thousand that were left leave no trace, nor do too few descriptors."""

import contextlib
import resource
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from django.db import connection

from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import Key
from artemis_site.tests.platform import SMALL_MODEL, Platform
from artemis_site.tests.test_failover import ask, open_stream
from artemis_site.tests.test_gateway_killed import workers
from artemis_site.tests.test_limits import wait_for
from artemis_site.tests.test_redis_away import until_both_know

STREAMS, ROUNDS = 500, 2
AT_ONCE = 50  # that connect at the same moment
POOL = 8  # database connections that a worker may have
SPARE = 16  # descriptors more than before that a worker may keep: idle connections to engines and to Redis


def descriptors(platform: Platform) -> list[int]:
    return [len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in workers(platform)]


def database_connections() -> tuple[int, int]:
    """Of everybody; and those of them that keep a transaction open while they have done nothing for a second."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), count(*) FILTER"
            " (WHERE state LIKE 'idle in transaction%' AND state_change < clock_timestamp() - interval '1 second')"
            " FROM pg_stat_activity WHERE backend_type = 'client backend'"
        )
        found: tuple[int, int] = cursor.fetchone()
        return found


def until_it_speaks(connection: socket.socket) -> None:
    received = b""
    while b'"content":"' not in received:
        part = connection.recv(65536)
        assert part, received
        received += part


@contextlib.contextmanager
def streams(platform: Platform, key: Key) -> Iterator[None]:
    """So many, all of them open at once; those who read them then vanish."""
    messages = [{"role": "user", "content": "idle"}]
    with contextlib.ExitStack() as opened, ThreadPoolExecutor(AT_ONCE) as pool:

        def open_one() -> None:
            connection = open_stream(platform, key, model=SMALL_MODEL, messages=messages, stream=True)
            opened.enter_context(contextlib.closing(connection))
            until_it_speaks(connection)

        for one in [pool.submit(open_one) for _ in range(STREAMS)]:
            one.result()
        yield


def sign_in(platform: Platform) -> httpx.Response:
    """The page that the administrator then sees."""
    with httpx.Client(base_url=platform.base_url, timeout=20, follow_redirects=True) as browser:
        browser.get("/accounts/login/")
        form = {
            "login": platform.facts["admin_email"],
            "password": platform.facts["admin_password"],
            "csrfmiddlewaretoken": browser.cookies[f"artemis_csrf_{platform.port}"],
        }
        return browser.post("/accounts/login/", data=form, headers={"Referer": platform.base_url})


def test_streams_hold_no_database_connection_and_leave_no_trace(platform: Platform, desk: Desk) -> None:
    platform.primary.script(match="idle", tokens_per_second=1, output_tokens=64)
    key, other = desk.key(rpm_limit=1_000_000, tpm_limit=10**9, parallel_limit=1000), desk.key()
    until_both_know(platform, other)
    before, connections = descriptors(platform), desk.call(database_connections)[0]

    for _ in range(ROUNDS):
        with streams(platform, key):
            now, waiting = desk.call(database_connections)
            assert (now - connections <= POOL * len(workers(platform)), waiting) == (True, 0)
            page = sign_in(platform)
            assert (page.status_code, "/accounts/login" in str(page.url)) == (200, False)
    bill = desk.bill(key, requests=ROUNDS * STREAMS, seconds=60)
    assert {request.outcome for request in bill.requests} == {"cancelled"}
    generated = [entry["generated_tokens"] for entry in platform.primary.log() if entry["disconnected"]]
    assert len(generated) == ROUNDS * STREAMS
    assert sum(request.output_tokens for request in bill.requests) <= sum(generated)
    wait_for(lambda: all(now <= was + SPARE for now, was in zip(descriptors(platform), before, strict=True)), 20)
    assert ask(platform, other).status_code == 200


@contextlib.contextmanager
def few_descriptors(platform: Platform, spare: int) -> Iterator[None]:
    """Each worker may open so many more, and no further one."""
    usual = {}
    for pid, used in zip(workers(platform), descriptors(platform), strict=True):
        usual[pid] = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + spare, usual[pid][1]))
    try:
        yield
    finally:
        for pid, limits in usual.items():
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)


def status_of(platform: Platform, key: Key) -> int | None:
    """None where the connection was not taken."""
    try:
        return ask(platform, key, model=SMALL_MODEL, messages=[{"role": "user", "content": "slow"}]).status_code
    except httpx.TransportError:
        return None


def test_too_few_descriptors_refuse_calls_and_are_forgotten(platform: Platform, desk: Desk) -> None:
    """Nobody is told that it is their fault, and nothing is held against an engine."""
    platform.primary.script(match="slow", first_token_delay=0.5)
    key = desk.key(rpm_limit=1_000_000, tpm_limit=10**9, parallel_limit=1000)
    asked = until_both_know(platform, key)
    before = descriptors(platform)
    with few_descriptors(platform, spare=12), ThreadPoolExecutor(120) as pool:
        statuses = list(pool.map(lambda _: status_of(platform, key), range(120)))
    assert 200 in statuses
    assert set(statuses) <= {200, 503, None}
    assert ask(platform, key).status_code == 200
    desk.bill(key, requests=asked + len(statuses) - statuses.count(None) + 1, seconds=30)
    wait_for(lambda: all(now <= was + SPARE for now, was in zip(descriptors(platform), before, strict=True)), 20)
