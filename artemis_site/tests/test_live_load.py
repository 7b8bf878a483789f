"""What the engines say of their load moves traffic within seconds, in every gateway process."""

import time

from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import Key
from artemis_site.tests.platform import Platform
from artemis_site.tests.test_failover import ask

ENOUGH = 8  # requests on connections of their own: both workers get some


def wait_until_answered_by(platform: Platform, key: Key, deployment: str) -> None:
    deadline = time.monotonic() + 10
    while True:
        answers = [ask(platform, key) for _ in range(ENOUGH)]
        assert {answer.status_code for answer in answers} == {200}
        served = {answer.headers["x-artemis-deployment"] for answer in answers}
        if served == {deployment}:
            return
        assert time.monotonic() < deadline, served
        time.sleep(0.2)


def test_a_full_queue_spills_to_the_next_engine_then_to_claude_and_back(platform: Platform, desk: Desk) -> None:
    """Nobody is refused and no engine is asked in vain: it is known before."""
    key = desk.key(rpm_limit=10_000)
    wait_until_answered_by(platform, key, "moon-a")
    platform.primary.set_metrics(num_requests_waiting=50)
    wait_until_answered_by(platform, key, "moon-b")
    platform.second.set_metrics(num_requests_waiting=50)
    wait_until_answered_by(platform, key, "claude")
    platform.claude.script(status=529)
    wait_until_answered_by(platform, key, "moon-a")  # with nobody else left, its queue is better than a refusal
    platform.reset_engines()
    platform.primary.set_metrics(num_requests_waiting=50)
    wait_until_answered_by(platform, key, "moon-b")
    platform.reset_engines()
    wait_until_answered_by(platform, key, "moon-a")


def test_a_full_kv_cache_spills_as_well(platform: Platform, desk: Desk) -> None:
    """A request more there would push out one that runs, which then begins anew."""
    key = desk.key(rpm_limit=10_000)
    wait_until_answered_by(platform, key, "moon-a")
    platform.primary.set_metrics(kv_cache_usage_perc=0.99)
    wait_until_answered_by(platform, key, "moon-b")
    platform.reset_engines()
    wait_until_answered_by(platform, key, "moon-a")
