"""A fake engine for the whole run, reset for each test, and the home in which engines are installed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import inference
from inference import selection
from inference.fake.control import FakeServer
from inference.ports import free_port


@pytest.fixture(scope="session")
def _fake_process() -> Iterator[FakeServer]:
    with FakeServer() as server:
        yield server


@pytest.fixture
def fake(_fake_process: FakeServer) -> FakeServer:
    _fake_process.reset()
    return _fake_process


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture(scope="session")
def engine_home() -> Path:
    """The checkout's own: an environment that `make run` has installed is not installed again."""
    return selection.engine_home(Path(inference.__file__).parent.parent / ".artemis")


@pytest.fixture
def progress() -> Callable[[str], None]:
    return lambda line: None
