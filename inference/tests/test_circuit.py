"""When a deployment is left alone, for how long, and how one request finds out that it is back."""

import time

import pytest

from inference.circuit import Circuit, RetryBudget


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def tried(circuit: Circuit, *, well: bool) -> None:
    circuit.began()
    if well:
        circuit.succeeded()
    else:
        circuit.failed()
    circuit.released()


def test_it_opens_past_the_allowed_failures_and_each_failed_probe_doubles_the_wait(clock: list[float]) -> None:
    circuit = Circuit(allowed_fails=2, cooldown_time=4)
    for _ in range(2):
        tried(circuit, well=False)
    assert circuit.allows()
    tried(circuit, well=False)
    assert not circuit.allows() and circuit.seconds_left == 4

    for wait in (8, 16, 20, 20):
        clock[0] += circuit.seconds_left
        assert circuit.allows()
        tried(circuit, well=False)
        assert circuit.seconds_left == wait
    clock[0] += 20
    tried(circuit, well=True)
    assert circuit.is_closed
    tried(circuit, well=False)
    assert circuit.allows(), "what failed before it came back is forgotten"


def test_only_one_request_probes_and_a_probe_without_a_verdict_lets_the_next_try(clock: list[float]) -> None:
    circuit = Circuit(allowed_fails=0, cooldown_time=1)
    tried(circuit, well=False)
    clock[0] += 1
    circuit.began()
    assert not circuit.allows() and circuit.seconds_left == 1
    circuit.released()
    assert circuit.allows()
    circuit.began()
    clock[0] += 31
    assert circuit.allows(), "a probe that never ends does not close the door for ever"


def test_what_began_before_it_opened_decides_nothing(clock: list[float]) -> None:
    """An engine that dies fails all that it had at once: that is one outage, and one wait."""
    circuit = Circuit(allowed_fails=2, cooldown_time=1)
    for _ in range(20):
        circuit.began()
    for _ in range(20):
        circuit.failed()
        circuit.released()
    assert circuit.seconds_left == 1
    tried(circuit, well=False)  # once more on the same, as is done for what may pass
    assert circuit.seconds_left == 1


def test_a_sign_of_life_lets_the_next_request_probe(clock: list[float]) -> None:
    circuit = Circuit(allowed_fails=0, cooldown_time=8)
    circuit.look_again()
    assert circuit.is_closed
    tried(circuit, well=False)
    clock[0] += 8
    tried(circuit, well=False)
    assert circuit.seconds_left == 16
    circuit.look_again()
    assert circuit.allows() and not circuit.is_closed
    tried(circuit, well=False)
    assert circuit.seconds_left == 16, "as after the first failed probe"


def test_a_busy_deployment_may_fail_now_and_then(clock: list[float]) -> None:
    circuit = Circuit(allowed_fails=3, cooldown_time=5)
    for number in range(200):
        clock[0] += 0.1
        tried(circuit, well=bool(number % 10))
    assert circuit.is_closed


def test_old_failures_are_forgotten(clock: list[float]) -> None:
    circuit = Circuit(allowed_fails=1, cooldown_time=5)
    for _ in range(5):
        tried(circuit, well=False)
        assert circuit.is_closed
        clock[0] += 70


def test_a_full_engine_is_left_alone_as_long_as_it_says(clock: list[float]) -> None:
    circuit = Circuit(allowed_fails=3, cooldown_time=5)
    circuit.leave_alone(2)
    assert not circuit.allows()
    clock[0] += 2
    assert circuit.allows()


def test_retries_are_a_share_of_live_traffic() -> None:
    budget = RetryBudget(share=0.25, at_hand=3)
    assert [budget.spend() for _ in range(4)] == [True, True, True, False]
    for _ in range(8):
        budget.earn()
    assert [budget.spend() for _ in range(3)] == [True, True, False]
