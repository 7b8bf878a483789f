"""A gateway that is stopped while Redis is away takes no settlement with it, though its folder may end with it."""

import os
import shutil
import signal
from pathlib import Path

import httpx
import pytest

from apps.usage.selectors import recorded_requests
from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import spent_by
from artemis_site.tests.platform import Platform
from artemis_site.tests.test_limits import INPUT_PRICE, OUTPUT_PRICE, wait_for
from artemis_site.tests.test_readiness import ready
from artemis_site.tests.test_redis_away import ask, frozen_redis, until_both_know, wait_until_back


def spooled(folder: Path) -> list[str]:
    return [path.stem for path in folder.glob("*.json")]


def is_back(platform: Platform) -> bool:
    try:
        return ready(platform).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("folder_ends", [True, False], ids=["as a pod's", "as a machine's"])
def test_what_redis_did_not_take_is_billed_once(platform: Platform, desk: Desk, folder_ends: bool) -> None:
    key = desk.key(monthly_budget=10**12, rpm_limit=10_000)
    asked = until_both_know(platform, key)
    spool = platform.home / "spool"
    with frozen_redis(platform):
        answered = [ask(platform, key).status_code for _ in range(8)].count(200)
        assert answered >= 1
        gateway = platform.child("gunicorn")
        os.kill(gateway, signal.SIGTERM)
        wait_for(lambda: not Path(f"/proc/{gateway}").exists(), 60)  # it does not wait for Redis
        waiting = spooled(spool)
        assert len(waiting) == answered
        assert desk.call(recorded_requests, request_ids=waiting) == set(waiting), "billed without Redis"
        if folder_ends:
            shutil.rmtree(spool)
    wait_for(lambda: is_back(platform), 30)
    wait_until_back(platform, key)
    bill = desk.bill(key, requests=asked + answered + 1, seconds=40)
    price = bill.requests[0].input_tokens * INPUT_PRICE + 5 * OUTPUT_PRICE
    assert bill.cost == (asked + answered + 1) * price
    if not folder_ends:
        wait_for(lambda: not spooled(spool), 20)
        wait_for(lambda: desk.call(spent_by, key) == bill.cost)  # the counter of its budget has them, too
