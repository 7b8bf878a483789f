"""Engines leave service and come back: by staff, or because they make no progress."""

import json
from collections.abc import Iterator

import pytest
from django.core.cache import cache

from apps.catalog import maintenance
from apps.catalog.models import Deployment
from apps.catalog.selectors import catalog, engines
from apps.catalog.services import load_models
from apps.catalog.watching import watch_engines
from apps.common.errors import NotFound
from inference.fake.control import FakeServer
from inference.vitals import STUCK_SECONDS

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def engine_process() -> Iterator[FakeServer]:
    with FakeServer() as engine:
        yield engine


@pytest.fixture
def engine(engine_process: FakeServer) -> Iterator[FakeServer]:
    engine_process.reset()
    cache.clear()
    yield engine_process
    cache.clear()


@pytest.fixture
def offered(engine: FakeServer) -> str:
    """`moon` at two engines, the first of which serves `stars` and `words` as well; the second is not there."""

    def entry(model: str, name: str, base: str, mode: str = "chat") -> dict[str, object]:
        params = {"model": f"hosted_vllm/{model}", "api_base": f"{base}/v1", "api_key": "k"}
        return {"model_name": model, "litellm_params": params, "model_info": {"id": name, "mode": mode}}

    text = json.dumps(
        {
            "model_list": [
                entry("moon", "moon-a", engine.base_url),
                entry("moon", "moon-b", "http://127.0.0.1:1"),
                entry("stars", "stars-a", engine.base_url),
                entry("stars", "stars-b", "http://127.0.0.1:1"),
                entry("words", "words-a", engine.base_url, "embedding"),
                entry("words", "words-b", "http://127.0.0.1:1", "embedding"),
            ]
        }
    )
    load_models(text=text)
    return text


def serving() -> set[str]:
    return {one.name for model in catalog().models.values() for one in model.deployments}


OTHERS = {"moon-b", "stars-b", "words-b"}


def test_all_that_an_engine_serves_is_drained_with_it(offered: str) -> None:
    version = catalog().version
    assert maintenance.drain(names=["moon-a"], reason="New fans.") == ["moon-a", "stars-a", "words-a"]
    assert serving() == OTHERS
    assert catalog().version > version
    assert set(Deployment.objects.exclude(duty="serving").values_list("duty_reason", flat=True)) == {"New fans."}
    assert {one.name for those in engines().values() for one in those} == OTHERS | {"moon-a", "stars-a", "words-a"}
    load_models(text=offered)
    assert serving() == OTHERS, "the file says what is on offer, not who is ill"


def test_it_serves_again_once_it_has_answered(offered: str, engine: FakeServer) -> None:
    maintenance.drain(names=["moon-a"], reason="")
    assert maintenance.warm_up() == {}, "who is drained is not asked"
    maintenance.bring_back(names=["moon-a"])
    assert serving() == OTHERS
    engine.script(status=500)
    assert set(maintenance.warm_up().values()) == {"status 500"}
    assert "moon-a" not in serving()
    assert "status 500" in Deployment.objects.get(name="moon-a").duty_reason
    engine.reset()
    assert set(maintenance.warm_up().values()) == {""}
    assert "moon-a" in serving()
    assert Deployment.objects.get(name="moon-a").duty_reason == ""
    asked = {entry["path"]: entry["body"] for entry in engine.log()}
    assert asked["/v1/chat/completions"]["max_tokens"] == 1


def test_who_serves_need_not_come_back(offered: str) -> None:
    assert maintenance.bring_back(names=["moon-a", "moon-b"]) == []
    assert "moon-a" in serving()


def test_nobody_is_there(offered: str) -> None:
    maintenance.drain(names=["moon-b"], reason="")
    maintenance.bring_back(names=["moon-b"])
    assert set(maintenance.warm_up().values()) == {"ConnectError"}
    assert serving() == {"moon-a", "stars-a", "words-a"}


def test_one_that_is_not_known(offered: str) -> None:
    with pytest.raises(NotFound, match="mars"):
        maintenance.drain(names=["moon-a", "mars"], reason="")
    assert "moon-a" in serving()


def test_one_that_is_stuck_is_taken_out_and_comes_back(offered: str, engine: FakeServer) -> None:
    engine.set_metrics(num_requests_running=3, generation_tokens_total=500)
    assert watch_engines() == {}
    age(STUCK_SECONDS + 5)
    (reason,) = watch_engines().values()
    assert "while 3 requests run" in reason
    assert serving() == OTHERS
    maintenance.warm_up()
    assert "moon-a" in serving()


def test_the_last_that_serves_a_model_stays(offered: str, engine: FakeServer) -> None:
    maintenance.drain(names=["moon-b"], reason="")
    engine.set_metrics(num_requests_running=3, generation_tokens_total=500)
    watch_engines()
    age(STUCK_SECONDS + 5)
    assert watch_engines() == {}
    assert "moon-a" in serving()


def age(seconds: float) -> None:
    """As if the looks so far had been so long ago."""
    for address in engines():
        if seen := cache.get(f"engine-vitals:{address}"):
            cache.set(f"engine-vitals:{address}", seen | {"at": seen["at"] - seconds})
