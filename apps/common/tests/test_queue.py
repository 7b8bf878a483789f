"""A task is asked for by its name; a queue that is away, or that hangs, holds nobody up."""

import json
import socket
import time

import pytest
from celery import current_app

from apps.common.queue import enqueue
from apps.common.redis import sync_redis


def test_a_task_is_asked_for() -> None:
    sync_redis().delete("celery")
    enqueue("moon.rise")
    (message,) = sync_redis().lrange("celery", 0, -1)
    assert json.loads(message)["headers"]["task"] == "moon.rise"
    sync_redis().delete("celery")


@pytest.mark.parametrize("listens", [True, False])
def test_a_queue_that_is_away_holds_nobody_up(
    listens: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        if not listens:
            silent.close()
        monkeypatch.setattr(current_app.conf, "broker_write_url", f"redis://127.0.0.1:{port}/0")
        began = time.monotonic()
        enqueue("moon.rise")
    assert time.monotonic() - began < 5
    assert "moon.rise was not enqueued" in caplog.text
