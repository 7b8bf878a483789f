"""django-ratelimit's minutes, which begin at a second of each caller's own."""

import time
from types import SimpleNamespace

import pytest
from django_ratelimit import core


@pytest.fixture
def one_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """None begins within the test: its clock stands."""
    now = time.time()
    monkeypatch.setattr(core, "time", SimpleNamespace(time=lambda: now))
