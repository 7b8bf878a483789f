"""What an autoscaler sees of a model: its calls, whoever answers them, of all processes together."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from apps.gateway import telemetry
from apps.gateway.demand import PEAK_SECONDS, Demand


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def shown(model: str) -> float | None:
    return REGISTRY.get_sample_value("artemis_model_demand", {"model": model})


def test_the_most_at_once_is_seen_by_who_looks_seldom() -> None:
    clock = Clock()
    demand = Demand(clock)
    for number in range(3):
        demand.began(f"r{number}", "moon")
    for number in range(3):
        demand.ended(f"r{number}")
    assert demand.peaks() == {"moon": 3}
    clock.now += PEAK_SECONDS
    assert demand.peaks() == {"moon": 3}, "half a minute at least"
    clock.now += PEAK_SECONDS
    assert demand.peaks() == {}, "one minute at most"


def test_one_that_goes_on_counts_on() -> None:
    clock = Clock()
    demand = Demand(clock)
    demand.began("long", "moon")
    demand.began("short", "moon")
    demand.ended("short")
    for _ in range(10):
        clock.now += PEAK_SECONDS
        last = demand.peaks()
    assert last == {"moon": 1}


def test_an_end_counts_once() -> None:
    demand = Demand(Clock())
    demand.began("a", "moon")
    for _ in range(3):
        demand.ended("a")
    demand.ended("never began")
    demand.began("b", "moon")
    demand.began("c", "sun")
    assert demand.peaks() == {"moon": 1, "sun": 1}


def test_who_is_not_asked_for_any_more_has_none() -> None:
    telemetry.demanded({"t-demand": 4})
    assert shown("t-demand") == 4
    telemetry.demanded({})
    assert shown("t-demand") == 0


def test_models_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "_models", telemetry.Names(3))
    telemetry.demanded({f"t-bound-{number}": 1 for number in range(10)})
    assert shown("t-bound-2") == 1
    assert shown("t-bound-3") is None
    assert shown(telemetry.OTHER) == 7
    telemetry.demanded({})
    assert shown(telemetry.OTHER) == 0


def test_processes_are_summed_while_they_live(tmp_path: Path) -> None:
    """As gunicorn's workers: each keeps its own file, and the one that ends takes its part away."""
    pids = [told(tmp_path, count) for count in (2, 3)]

    def total() -> float | None:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(tmp_path))
        return registry.get_sample_value("artemis_model_demand", {"model": "moon"})

    assert total() == 5
    mark_process_dead(pids[0], str(tmp_path))
    assert total() == 3


def told(folder: Path, count: int) -> int:
    code = f"import os; from apps.gateway import telemetry; telemetry.demanded({{'moon': {count}}}); print(os.getpid())"
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    return int(done.stdout)
