"""A model without an engine: the call that wants it waits while one is started, for as long as the model says."""

import json
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from artemis_site.tests.desk import Desk
from artemis_site.tests.platform import Platform
from inference.fake.control import FakeServer

MODEL, HOLD_SECONDS = "on-demand", 8


@pytest.fixture
def engine(platform: Platform) -> Iterator[FakeServer]:
    """On offer, and not there."""
    engine = FakeServer()
    document = json.loads((platform.home / "models.yaml").read_text())
    params = {"model": f"hosted_vllm/{MODEL}", "api_base": f"{engine.base_url}/v1", "api_key": "engine-key"}
    info = {"id": MODEL, "hold_seconds": HOLD_SECONDS}
    document["model_list"].append({"model_name": MODEL, "litellm_params": params, "model_info": info})
    file = platform.home / "on-demand.yaml"
    file.write_text(json.dumps(document))
    platform.manage("load_models", str(file))
    yield engine
    engine.stop()
    platform.manage("load_models", str(platform.home / "models.yaml"), "--prune")


def ask(platform: Platform, secret: str, **headers: str) -> tuple[httpx.Response, float]:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}
    began = time.monotonic()
    answer = platform.post("/v1/chat/completions", api_key=secret, json=body, headers=headers)
    return answer, time.monotonic() - began


def test_a_call_waits_for_the_engine_that_is_started_for_it(platform: Platform, desk: Desk, engine: FakeServer) -> None:
    key = desk.key()
    starting = threading.Timer(3, engine.start)
    starting.start()
    answer, seconds = ask(platform, key.secret)
    starting.join()
    assert answer.status_code == 200, answer.text
    assert 3 <= seconds < HOLD_SECONDS
    assert desk.bill(key, requests=1).requests[0].outcome == "completed"


def test_it_does_not_wait_for_ever(platform: Platform, desk: Desk, engine: FakeServer) -> None:
    key = desk.key()
    answer, seconds = ask(platform, key.secret)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "model_unavailable")
    assert HOLD_SECONDS <= seconds < HOLD_SECONDS + 5
    answer, seconds = ask(platform, key.secret, **{"x-artemis-timeout": "2"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "timeout")
    assert seconds < 4, "nor for longer than the caller does"
