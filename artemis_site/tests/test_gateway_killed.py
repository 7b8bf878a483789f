"""A gateway that is killed in the middle of its work leaves no hold behind, and settles nothing twice."""

import contextlib
import os
import signal
import time
from pathlib import Path

from artemis_site.tests.desk import Desk
from artemis_site.tests.platform import Platform
from artemis_site.tests.test_failover import INPUT_PRICE, OUTPUT_PRICE, PROMPT_TOKENS, ask, open_stream


def workers(platform: Platform) -> list[int]:
    """gunicorn's, below their master."""
    return children(platform.child("gunicorn"))


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_holds_of_killed_workers_are_released_and_what_was_settled_stays(platform: Platform, desk: Desk) -> None:
    """The lease is six seconds here, and the sweep comes every fifteen; ninety and fifteen in production."""
    key = desk.key(monthly_budget=10**9, parallel_limit=8)
    assert ask(platform, key).status_code == 200
    before = desk.bill(key, requests=1)
    platform.primary.script(tokens_per_second=5, output_tokens=64)
    with contextlib.ExitStack() as open_ones:
        for _ in range(8):
            connection = open_ones.enter_context(contextlib.closing(open_stream(platform, key, stream=True)))
            received = b""
            while received.count(b"fake engine token") < 2:
                received += connection.recv(65536)
        assert ask(platform, key).status_code == 429, "all eight are held"
        for pid in workers(platform):
            os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    bill = desk.bill(key, requests=1, seconds=40)
    assert time.monotonic() - killed < 6 + 15 + 8
    assert bill.cost == before.cost == PROMPT_TOKENS * INPUT_PRICE + 8 * OUTPUT_PRICE
    platform.reset_engines()
    deadline = time.monotonic() + 10
    while ask(platform, key).status_code != 200:  # the master has made new workers, and nobody's slot is taken
        assert time.monotonic() < deadline
        time.sleep(0.2)
    desk.bill(key, requests=2)
