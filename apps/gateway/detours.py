"""What Prometheus sees of the way to an answer: who waits for one, who gets it elsewhere, which circuits are open."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Gauge

from apps.gateway.telemetry import MOST_NAMES, Names, harmless
from inference.router import Deployment, EngineRouter

MOST_CLASSES = 20
NO_CLASS = "none"
BY_MODEL = ("model", "to")

FAILOVERS = Counter(
    "artemis_failovers",
    "Answers after a deployment had failed; to another deployment of the model, another model, another provider",
    BY_MODEL,
)
SPILLS = Counter(
    "artemis_spills", "Answers of another model or provider since the model's own deployments had no room", BY_MODEL
)
WAITING = Gauge(
    "artemis_calls_waiting",
    "Admitted calls that no engine has begun to answer, by their account's tier",
    ("account_class",),
    multiprocess_mode="livesum",
)
HELD = Gauge(
    "artemis_held_dollars",
    "What calls in flight may cost at most, in US dollars, by the second",
    multiprocess_mode="livesum",
)
CIRCUITS = Gauge(
    "artemis_circuit_open",
    "1 where a process here leaves the deployment alone, by the second",
    ("deployment",),
    multiprocess_mode="livemax",
)

_models, _deployments, _classes = Names(MOST_NAMES), Names(MOST_NAMES), Names(MOST_CLASSES)
_waiting: dict[str, int] = {}
_told: set[str] = set()


@contextmanager
def waiting(account_class: str) -> Iterator[None]:
    """While a call is on its way to the engine that will answer it. Told by the second, by `note_waiting`."""
    name = _classes(account_class or NO_CLASS)
    _waiting[name] = _waiting.get(name, 0) + 1
    try:
        yield
    finally:
        _waiting[name] -= 1


@harmless
def note_waiting() -> None:
    for name, number in _waiting.items():
        WAITING.labels(name).set(number)


@harmless
def note_held(nano: int) -> None:
    HELD.set(nano / 1e9)


@harmless
def note_circuits(router: EngineRouter) -> None:
    """A deployment that is no longer offered has none that is open."""
    now = {_deployments(one.id): not router.is_closed(one) for one in router.deployments()}
    for name in _told - now.keys():
        CIRCUITS.labels(name).set(0)
    for name, is_open in now.items():
        CIRCUITS.labels(name).set(is_open)
    _told.update(now)


@harmless
def answered(model: str, deployment: Deployment, router: EngineRouter, failed: Collection[str]) -> None:
    """Notes whose answer a call of `model` got, unless it is the first deployment of its own that was asked.

    `failed`: the deployments that failed it before. Where none did and another model answers, the model's own either
    had no room, which is a spill, or their circuits were open.
    """
    at_home = deployment.model_group == model
    if at_home and not set(failed) - {deployment.id}:
        return
    own = [one for one in router.deployments() if one.model_group == model]
    counter = FAILOVERS if failed or not any(map(router.is_closed, own)) else SPILLS
    to = "deployment" if at_home else "model" if deployment.provider in {one.provider for one in own} else "provider"
    counter.labels(_models(model), to).inc()
