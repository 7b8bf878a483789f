"""Engines of one pod that share its GPU: each finds the memory free when it starts, and nobody stays asleep for it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference import pod_turns
from inference.fake.control import FakeServer

LEVELS = pytest.mark.parametrize("level", [1, 2])


@pytest.fixture
def two() -> Iterator[tuple[FakeServer, FakeServer]]:
    with FakeServer("--enable-sleep-mode") as one, FakeServer("--enable-sleep-mode") as other:
        yield one, other


def sleeps(engine: FakeServer) -> bool:
    return bool(json.loads(engine.get("/is_sleeping"))["is_sleeping"])


@LEVELS
def test_one_that_starts_again_leaves_the_others_as_they_were(
    two: tuple[FakeServer, FakeServer], tmp_path: Path, level: int
) -> None:
    again, awake = two
    pod_turns.clear(again.port, level, [awake.port], folder=tmp_path)
    assert sleeps(awake), "the memory is free"
    assert pod_turns.started(again.port, level, [awake.port], folder=tmp_path)
    assert sleeps(again)
    assert not sleeps(awake)


def test_at_first_one_ends_up_awake(two: tuple[FakeServer, FakeServer], tmp_path: Path) -> None:
    first, second = two
    second.kill()
    pod_turns.clear(first.port, 1, [second.port], folder=tmp_path)
    assert pod_turns.started(first.port, 1, [second.port], folder=tmp_path)
    assert not sleeps(first), "a lone one"
    pod_turns.clear(second.port, 1, [first.port], folder=tmp_path)
    assert sleeps(first)
    second.start()
    for _ in range(2):  # a probe that was cut off asks again
        assert pod_turns.started(second.port, 1, [first.port], folder=tmp_path)
        assert not sleeps(first)
        assert sleeps(second)


def test_the_one_that_was_awake_is_so_again(two: tuple[FakeServer, FakeServer], tmp_path: Path) -> None:
    crashed, asleep = two
    asleep.post("/sleep?level=1&mode=wait", {})
    crashed.kill()
    pod_turns.clear(crashed.port, 1, [asleep.port], folder=tmp_path)
    crashed.start()
    assert pod_turns.started(crashed.port, 1, [asleep.port], folder=tmp_path)
    assert not sleeps(crashed)
    assert sleeps(asleep)


def test_one_that_gateways_woke_meanwhile_stays(two: tuple[FakeServer, FakeServer], tmp_path: Path) -> None:
    again, woken = two
    pod_turns.clear(again.port, 1, [], folder=tmp_path)
    assert pod_turns.started(again.port, 1, [woken.port], folder=tmp_path)
    assert sleeps(again)
    assert not sleeps(woken)


def test_one_that_fails_twice_still_wakes_the_others(two: tuple[FakeServer, FakeServer], tmp_path: Path) -> None:
    again, awake = two
    for _ in range(2):
        pod_turns.clear(again.port, 1, [awake.port], folder=tmp_path)
    assert pod_turns.started(again.port, 1, [awake.port], folder=tmp_path)
    assert not sleeps(awake)


def test_one_that_is_not_there_has_not_started(two: tuple[FakeServer, FakeServer], tmp_path: Path) -> None:
    again, awake = two
    pod_turns.clear(again.port, 1, [awake.port], folder=tmp_path)
    again.kill()
    assert not pod_turns.started(again.port, 1, [awake.port], folder=tmp_path)
    assert sleeps(awake), "not before"


def test_the_engine_takes_the_commands_place() -> None:
    words = [sys.executable, "-SP", "-m", "inference.pod_turns", "clear", "1", "1", "2", "--", "echo", "vllm serve"]
    root = Path(pod_turns.__file__).parents[1]
    done = subprocess.run(
        words, env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin"}, capture_output=True, check=True
    )
    assert done.stdout == b"vllm serve\n"
    Path("/tmp/woken-after-1.json").unlink()
