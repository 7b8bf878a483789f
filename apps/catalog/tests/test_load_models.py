"""A file is applied whole or not at all, once or twice with the same result; prices keep their past."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import yaml
from django.utils import timezone

from apps.catalog.models import AIModel, Deployment, PriceVersion, RoutingPolicy
from apps.catalog.selectors import catalog
from apps.catalog.services import Change, load_models
from apps.common.errors import Invalid
from apps.common.redis import sync_redis
from apps.common.revisions import CATALOG

pytestmark = pytest.mark.django_db


def entry(name: str, *, cost: float = 1e-6, identifier: str = "", **params: Any) -> dict[str, Any]:
    return {
        "model_name": name,
        "litellm_params": {
            "model": f"hosted_vllm/{name}",
            "api_base": "http://gpu:8000/v1",
            "api_key": "sk-own",
            "input_cost_per_token": cost,
            "output_cost_per_token": 2e-6,
            **params,
        },
        "model_info": {"id": identifier or f"{name}-a"},
    }


def text(*entries: dict[str, Any], **sections: Any) -> str:
    return yaml.safe_dump({"model_list": list(entries), **sections})


def summary(changes: list[Change]) -> list[tuple[str, str, str]]:
    return [(change.action, change.kind, change.name) for change in changes]


def test_the_first_load_adds_and_the_second_changes_nothing() -> None:
    file = text(entry("moon"), router_settings={"cooldown_time": 7})
    assert summary(load_models(text=file)) == [
        ("add", "model", "moon"),
        ("add", "price", "moon"),
        ("add", "deployment", "moon-a"),
        ("change", "routing", "routing policy"),
    ]
    version = catalog().version
    for _ in range(2):
        assert load_models(text=file) == []
    assert catalog().version == version
    assert PriceVersion.objects.count() == 1


def test_keys_are_sealed_and_handed_to_the_router_only() -> None:
    load_models(text=text(entry("moon")))
    assert "sk-own" not in str(Deployment.objects.values().get())
    (deployment,) = catalog().models["moon"].deployments
    assert deployment.api_key == "sk-own"
    assert "sk-own" not in repr(deployment)
    (change,) = load_models(text=text(entry("moon", api_key="sk-new")))
    assert change.fields == {"api_key": ("…", "…")}
    assert catalog().models["moon"].deployments[0].api_key == "sk-new"


def test_a_key_of_the_environment_is_read_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    load_models(text=text(entry("moon", api_key="os.environ/MOON_KEY")))
    assert catalog().models["moon"].deployments[0].api_key == ""
    monkeypatch.setenv("MOON_KEY", "from outside")
    assert catalog().models["moon"].deployments[0].api_key == "from outside"
    assert Deployment.objects.get().api_key_sealed == ""


def test_a_new_price_is_a_new_version() -> None:
    load_models(text=text(entry("moon")))
    first = PriceVersion.objects.get()
    (change,) = load_models(text=text(entry("moon", cost=5e-6)))
    assert change.fields == {
        "input_price": (10**9, 5 * 10**9),
        "cached_input_price": (10**9, 5 * 10**9),
    }
    prices = catalog().models["moon"].prices
    assert [price.input for price in prices] == [5 * 10**9, 10**9]
    assert prices[1].version_id == first.pk
    load_models(text=text(entry("moon")))  # back to the old one: a third version
    assert PriceVersion.objects.count() == 3


def test_a_price_of_the_future_is_not_the_current_one() -> None:
    load_models(text=text(entry("moon")))
    PriceVersion.objects.create(
        ai_model=AIModel.objects.get(), valid_from=timezone.now() + timedelta(days=1), input_price=7
    )
    assert load_models(text=text(entry("moon"))) == []
    now = timezone.now()
    model = catalog().models["moon"]
    current, coming = model.price_at(now), model.price_at(now + timedelta(days=2))
    assert current and coming
    assert (current.input, coming.input) == (10**9, 7)
    assert model.price_at(now - timedelta(days=1)) is None


def test_deployments_are_exactly_those_of_the_file() -> None:
    load_models(text=text(entry("moon"), entry("moon", identifier="moon-b"), entry("mars")))
    changes = load_models(text=text(entry("moon", identifier="moon-c"), entry("moon", identifier="moon-b", weight=3)))
    assert summary(changes) == [
        ("remove", "deployment", "moon-a"),
        ("add", "deployment", "moon-c"),
        ("change", "deployment", "moon-b"),
    ]
    assert {one.name for one in catalog().models["moon"].deployments} == {"moon-b", "moon-c"}
    assert "mars" in catalog().models  # not in the file, and still on offer


def test_a_deployment_can_move_to_another_model() -> None:
    load_models(text=text(entry("moon", identifier="gpu-1")))
    load_models(text=text(entry("moon", identifier="gpu-2"), entry("mars", identifier="gpu-1")))
    assert [one.name for one in catalog().models["mars"].deployments] == ["gpu-1"]


def test_prune_takes_others_off_the_offer_and_keeps_their_history() -> None:
    load_models(text=text(entry("moon"), entry("mars")))
    assert summary(load_models(text=text(entry("moon")), prune=True)) == [("remove", "model", "mars")]
    assert set(catalog().models) == {"moon"}
    assert PriceVersion.objects.filter(ai_model__public_name="mars").exists()
    assert load_models(text=text(entry("moon")), prune=True) == []
    changes = load_models(text=text(entry("moon"), entry("mars")))
    assert summary(changes) == [("change", "model", "mars")]
    assert set(catalog().models) == {"moon", "mars"}


def test_a_dry_run_says_the_same_and_changes_nothing() -> None:
    load_models(text=text(entry("moon")))
    before = state()
    file = text(entry("moon", cost=5e-6), entry("mars"), router_settings={"num_retries": 5})
    planned = load_models(text=file, dry_run=True, prune=True)
    assert state() == before
    assert summary(load_models(text=file, prune=True)) == summary(planned) != []


@pytest.mark.parametrize(
    "broken",
    [
        {"model_name": "mars", "litellm_params": {"model": "nobody/x"}},
        entry("mars", rpm=0),
        entry("mars", identifier="moon-a"),
    ],
)
def test_an_error_leaves_everything_as_it_was(broken: dict[str, Any]) -> None:
    load_models(text=text(entry("moon")))
    before = state()
    with pytest.raises(Invalid):
        load_models(text=text(entry("moon", cost=9e-6), entry("venus"), broken))
    assert state() == before


def state() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in (AIModel, Deployment, PriceVersion, RoutingPolicy)]


def test_a_change_is_published_when_it_is_committed(
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        load_models(text=text(entry("moon")))
        sync_redis().delete(CATALOG)
    assert int(sync_redis().get(CATALOG) or 0) == catalog().version
