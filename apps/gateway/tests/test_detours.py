"""Whose answer a call got is counted where it is not simply the first deployment that was asked; who waits, by tier."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from apps.gateway import detours
from inference.router import Deployment, EngineRouter

A = Deployment(
    id="d-a",
    model_group="d-moon",
    provider="hosted_vllm",
    upstream_model="m",
    api_base="http://127.0.0.1:1",
    api_key="",
)
B = replace(A, id="d-b")
OTHER = replace(A, id="d-o", model_group="d-star")
CLAUDE = replace(A, id="d-c", model_group="d-claude", provider="anthropic")


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.fixture
def router() -> EngineRouter:
    return EngineRouter([A, B, OTHER, CLAUDE], allowed_fails=0, cooldown_time=60)


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    detours.FAILOVERS.clear()
    detours.SPILLS.clear()


def counted() -> dict[tuple[str, str], float]:
    return {
        (name, to): number
        for name in ("failovers", "spills")
        for to in ("deployment", "model", "provider")
        if (number := value(f"artemis_{name}_total", model="d-moon", to=to))
    }


def test_the_first_that_is_asked_is_no_detour(router: EngineRouter) -> None:
    detours.answered("d-moon", A, router, ())
    detours.answered("d-moon", A, router, {"d-a"})  # it was asked twice
    assert counted() == {}


def test_after_a_failure(router: EngineRouter) -> None:
    detours.answered("d-moon", B, router, {"d-a"})
    detours.answered("d-moon", OTHER, router, {"d-a", "d-b"})
    detours.answered("d-moon", CLAUDE, router, {"d-a"})
    assert counted() == {("failovers", "deployment"): 1, ("failovers", "model"): 1, ("failovers", "provider"): 1}


def test_where_there_is_no_room(router: EngineRouter) -> None:
    detours.answered("d-moon", CLAUDE, router, ())
    assert counted() == {("spills", "provider"): 1}


def test_open_circuits_are_no_want_of_room(router: EngineRouter) -> None:
    for one in (A, B):
        while router.is_closed(one):
            router.failed(one)
    detours.answered("d-moon", CLAUDE, router, ())
    assert counted() == {("failovers", "provider"): 1}
    detours.note_circuits(router)
    assert value("artemis_circuit_open", deployment="d-a") == 1
    assert value("artemis_circuit_open", deployment="d-c") == 0
    detours.note_circuits(EngineRouter([CLAUDE]))
    assert value("artemis_circuit_open", deployment="d-a") == 0


def test_who_waits_is_told_by_tier() -> None:
    with detours.waiting("Free"), detours.waiting("Free"), detours.waiting(""):
        detours.note_waiting()
        assert value("artemis_calls_waiting", account_class="Free") == 2
        assert value("artemis_calls_waiting", account_class=detours.NO_CLASS) == 1
    detours.note_waiting()
    assert value("artemis_calls_waiting", account_class="Free") == 0


def test_tiers_are_few() -> None:
    for number in range(detours.MOST_CLASSES * 2):
        with detours.waiting(f"tier {number}"):
            pass
    detours.note_waiting()
    (metric,) = detours.WAITING.collect()
    assert len(metric.samples) <= detours.MOST_CLASSES + 1


def test_what_is_held_is_in_dollars() -> None:
    detours.note_held(int(2.5e9))
    assert value("artemis_held_dollars") == 2.5
