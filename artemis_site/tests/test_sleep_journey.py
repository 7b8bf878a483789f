"""Two models share one GPU by turns: whoever is called is woken, the other falls asleep once nobody uses it.

The fake engines speak vLLM's sleep mode; a locked file stands for the GPU's memory, which holds one of them.
"""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import Key
from artemis_site.tests.platform import CLAUDE, Platform
from artemis_site.tests.test_failover import events_of, numbered, text_of
from artemis_site.tests.test_gateway_killed import workers
from inference.fake.control import FakeServer

DAY, NIGHT = "day", "night"
WAKE_SECONDS = 0.3


class Pair:
    """Two engines and one GPU. `day` falls back to Claude."""

    def __init__(self, platform: Platform, key: Key, engines: dict[str, FakeServer]) -> None:
        self.platform, self.key, self.engines = platform, key, engines

    def load(self, *, level: int = 1, **sleep: Any) -> None:
        entries = [
            {
                "model_name": name,
                "litellm_params": {
                    "model": f"hosted_vllm/{name}",
                    "api_base": f"{engine.base_url}/v1",
                    "api_key": "engine-key",
                },
                "model_info": {"id": name, "sleep": {"slot": "gpu", "level": level, "stay_seconds": 0.1, **sleep}},
            }
            for name, engine in self.engines.items()
        ]
        document = json.loads((self.platform.home / "models.yaml").read_text())
        document["model_list"] += entries
        document["litellm_settings"]["fallbacks"].append({DAY: [CLAUDE]})
        file = self.platform.home / "pair.yaml"
        file.write_text(json.dumps(document))
        self.platform.manage("load_models", str(file))

    def ask(self, model: str, *, stream: bool = False, content: str = "Hello", tokens: int = 8) -> httpx.Response:
        messages = [{"role": "user", "content": content}]
        body = {"model": model, "messages": messages, "max_tokens": tokens, "stream": stream}
        return self.platform.post("/v1/chat/completions", api_key=self.key.secret, json=body)

    def awake(self) -> set[str]:
        return {name for name, engine in self.engines.items() if b"false" in engine.get("/is_sleeping")}


@pytest.fixture
def pair(platform: Platform, desk: Desk, tmp_path: Path) -> Iterator[Pair]:
    arguments = ("--enable-sleep-mode", "--slot", str(tmp_path / "gpu"), "--wake-seconds", str(WAKE_SECONDS))
    with FakeServer(*arguments) as day:
        day.post("/sleep?level=1&mode=wait", {})
        with FakeServer(*arguments) as night:
            pair = Pair(platform, desk.key(rpm_limit=1_000_000, parallel_limit=100), {DAY: day, NIGHT: night})
            pair.load()
            yield pair
            platform.manage("load_models", str(platform.home / "models.yaml"), "--prune")


@pytest.mark.parametrize("level", [1, 2])
def test_calls_in_turns_are_all_answered(pair: Pair, level: int) -> None:
    pair.load(level=level)
    took: dict[str, list[float]] = {DAY: [], NIGHT: []}
    for number in range(12):
        model = (DAY, NIGHT)[number % 2]
        began = time.monotonic()
        answer = pair.ask(model, stream=bool(number % 3))
        took[model].append(time.monotonic() - began)
        assert (answer.status_code, answer.headers["x-artemis-deployment"]) == (200, model), answer.text
        assert pair.awake() == {model}
    again = time.monotonic()
    assert pair.ask(NIGHT).status_code == 200
    again = time.monotonic() - again
    assert min(map(min, took.values())) >= WAKE_SECONDS > again, "who is awake already is not woken"
    for model, seconds in took.items():
        print(f"{model}, level {level}: woken and answered in {', '.join(f'{one:.2f}' for one in seconds)} s")


def test_many_calls_of_both_at_once_are_all_answered(pair: Pair, platform: Platform) -> None:
    """From both gateways: nobody is put to sleep in the middle of an answer, and no two are awake at once."""
    for engine in pair.engines.values():
        engine.script(match="slow", tokens_per_second=40, output_tokens=20)
    assert len(workers(platform)) == 2

    def ask(number: int) -> tuple[int, str, str]:
        answer = pair.ask((DAY, NIGHT)[number % 2], stream=True, content="slow", tokens=20)
        return answer.status_code, answer.headers["x-artemis-deployment"], text_of(events_of(answer))

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(48)))
    assert answers == [(200, (DAY, NIGHT)[number % 2], numbered(20)) for number in range(48)]
    for name, engine in pair.engines.items():
        assert {entry["status"] for entry in engine.log() if entry["path"] == "/v1/chat/completions"} == {200}, name


def test_who_cannot_be_woken_in_time_is_answered_for_by_claude(pair: Pair) -> None:
    pair.load(wake_seconds=1.0)
    pair.engines[NIGHT].script(match="slow", tokens_per_second=8, output_tokens=24)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(pair.ask, NIGHT, stream=True, content="slow", tokens=24)
        pair.engines[NIGHT].wait_log(lambda entry: entry["delivered_tokens"] > 1)
        answer = pair.ask(DAY)
        assert (answer.status_code, answer.headers["x-artemis-deployment"]) == (200, "claude")
        assert text_of(events_of(slow.result())) == numbered(24)
    answer = pair.ask(DAY)
    assert answer.headers["x-artemis-deployment"] == DAY, "and once the other is done, it is woken"


def test_who_is_pinned_is_never_put_to_sleep(pair: Pair) -> None:
    pair.load(wake_seconds=0.7, pinned=True)
    assert pair.ask(NIGHT).status_code == 200
    refused = pair.ask(NIGHT if pair.awake() == {DAY} else DAY)
    assert refused.headers["x-artemis-deployment"] == "claude"
    assert pair.awake() == {NIGHT}


def test_an_engine_that_does_not_wake_takes_nobody_down(pair: Pair) -> None:
    assert pair.ask(NIGHT).status_code == 200
    pair.engines[DAY].kill()
    answer = pair.ask(DAY)
    assert (answer.status_code, answer.headers["x-artemis-deployment"]) == (200, "claude")
    answer = pair.ask(NIGHT)
    assert (answer.status_code, answer.headers["x-artemis-deployment"]) == (200, NIGHT)
