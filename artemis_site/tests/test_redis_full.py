"""Redis is full: calls go on as without it, within a bounded share; everybody hears the truth; the bill is exact."""

import time
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import Key, fill_redis, lift_limit, make_room, spent_by
from artemis_site.tests.platform import Platform
from artemis_site.tests.report import ROWS
from artemis_site.tests.test_limits import INPUT_PRICE, OUTPUT_PRICE
from artemis_site.tests.test_redis_away import SHARE, WORKERS, ask, redis_pid, until_both_know


def gauges(platform: Platform) -> dict[str, float]:
    """The metrics that have no labels."""
    text = httpx.get(f"{platform.base_url}/metrics").raise_for_status().text
    families = text_string_to_metric_families(text)
    return {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}


@pytest.fixture
def unlimited(desk: Desk) -> Iterator[None]:
    yield
    desk.call(lift_limit)


def until_answered(platform: Platform, key: Key, seconds: float) -> int:
    """How many requests that took."""
    deadline = time.monotonic() + seconds
    while ask(platform, key).status_code != 200:
        assert time.monotonic() < deadline, "not back by itself"
        time.sleep(0.1)
    return 1


@pytest.mark.usefixtures("unlimited")
def test_a_full_redis(platform: Platform, desk: Desk) -> None:
    known, unknown = desk.key(rpm_limit=300, monthly_budget=10**12), desk.key()
    asked = until_both_know(platform, known)
    desk.bill(known, requests=asked)
    platform.primary.reset()
    platform.primary.script(output_tokens=5)
    redis = redis_pid(platform)
    began = time.monotonic()
    desk.call(fill_redis)

    answers = [ask(platform, known, stream=bool(number % 2)) for number in range(90)]
    refused = ask(platform, unknown)
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) <= {200, 503}, "never 401, 403, 404 or 500"
    assert 10 <= statuses[200] <= WORKERS * (300 * SHARE + 10)
    assert refused.status_code == 503
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in [*answers, refused] if answer.status_code == 503)
    assert list((platform.home / "spool").glob("*.json")), "what was not taken waits on disk"
    ready = httpx.get(f"{platform.base_url}/readyz")
    assert (ready.status_code, ready.json()["checks"]["redis"]) == (503, False)
    assert httpx.get(f"{platform.base_url}/readyz?exclude=redis").status_code == 200, "no probe takes it out"
    seen = gauges(platform)
    assert seen["artemis_redis_memory_bytes"] > seen["artemis_redis_memory_limit_bytes"] > 0
    assert seen["artemis_redis_evicts"] == 0

    desk.call(make_room)
    until_answered(platform, unknown, 5)
    bill = desk.bill(known, requests=asked + statuses[200], seconds=30)
    delivered = [entry for entry in platform.primary.log() if entry["finished"]][: statuses[200]]
    tokens = sum(request.output_tokens for request in bill.requests[: statuses[200]])  # the newest first
    assert tokens == sum(entry["generated_tokens"] for entry in delivered)
    assert bill.cost == desk.call(spent_by, known)
    assert bill.cost == sum(
        request.input_tokens * INPUT_PRICE + request.output_tokens * OUTPUT_PRICE for request in bill.requests
    )
    assert not list((platform.home / "spool").iterdir())
    assert httpx.get(f"{platform.base_url}/readyz").status_code == 200
    saw = ", ".join(f"{count} of {status}" for status, count in sorted(statuses.items()))
    ROWS.append(("Redis full", True, saw, time.monotonic() - began, (len(delivered), 0, 0), tokens, bill.cost))

    assert ask(platform, known).status_code == 200
    deadline = time.monotonic() + 30
    while gauges(platform)["artemis_usage_events_pending"]:
        assert time.monotonic() < deadline, "the worker does not record"
        time.sleep(0.2)
    assert redis_pid(platform) == redis, "none was restarted"
