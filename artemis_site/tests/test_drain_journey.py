"""Maintenance: `manage.py drain` moves traffic to the other engines and to Claude, without an error, and back."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import Key, out_of_service
from artemis_site.tests.platform import MODEL, Platform
from artemis_site.tests.test_limits import wait_for


class Caller:
    """Asks one call after another, streamed and whole in turns, and keeps who answered."""

    def __init__(self, platform: Platform, key: Key) -> None:
        self.platform, self.key = platform, key
        self.failures: list[str] = []
        self.answered: Counter[str] = Counter()
        self.done = False

    def ask(self) -> None:
        while not self.done:
            stream = bool(sum(self.answered.values()) % 2)
            body = {
                "model": MODEL,
                "messages": [{"role": "user", "content": "Hello"}],
                "max_tokens": 5,
                "stream": stream,
            }
            answer = self.platform.post("/v1/chat/completions", api_key=self.key.secret, json=body)
            if answer.status_code != 200 or (stream and not answer.text.rstrip().endswith("[DONE]")):
                self.failures.append(answer.text)
            self.answered[answer.headers.get("x-artemis-deployment", "")] += 1

    def moves_to(self, name: str) -> None:
        """Waits until a while's calls are answered there alone."""

        def moved() -> bool:
            self.answered.clear()
            time.sleep(0.5)
            return set(self.answered) == {name}

        wait_for(moved, 15)


@contextmanager
def asking(platform: Platform, key: Key) -> Iterator[Caller]:
    caller = Caller(platform, key)
    threads = [threading.Thread(target=caller.ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield caller
    finally:
        caller.done = True
        for thread in threads:
            thread.join()


@pytest.fixture
def brought_back(platform: Platform, desk: Desk) -> Iterator[None]:
    yield
    platform.primary.reset()
    platform.manage("drain", "moon-a", "moon-b", "--back")
    wait_for(lambda: not desk.call(out_of_service), 30)


@pytest.mark.usefixtures("brought_back")
def test_traffic_moves_away_and_comes_back(platform: Platform, desk: Desk) -> None:
    key = desk.key(rpm_limit=1_000_000, tpm_limit=10**9, parallel_limit=100)
    with asking(platform, key) as caller:
        caller.moves_to("moon-a")
        drained = platform.manage("drain", "moon-a", "--reason", "New fans.", "--wait", "20")
        assert "moon-a" in drained["drained"] and drained["running"] == 0
        caller.moves_to("moon-b")
        platform.manage("drain", "moon-b")
        caller.moves_to("claude")
        platform.primary.script(status=500)
        assert platform.manage("drain", "moon-a", "--back")["returning"] == drained["drained"]
        platform.primary.wait_log(lambda entry: is_warm_up(entry) and entry["status"] == 500, 20)
        assert set(caller.answered) == {"claude"}, "it does not serve before it has answered"
        platform.primary.reset()
        caller.moves_to("moon-a")
    assert caller.failures == []
    assert platform.primary.log()[0]["status"] == 200 and any(map(is_warm_up, platform.primary.log()))


def is_warm_up(entry: dict[str, Any]) -> bool:
    body = entry["body"]
    return bool(body.get("model") == MODEL and body.get("max_tokens") == 1)
