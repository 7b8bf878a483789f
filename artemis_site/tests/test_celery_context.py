"""A task's lines say of which request it is, and the next task's do not."""

from types import SimpleNamespace
from typing import Any

from celery import signals

from apps.common.logs import context


def test_a_request_s_id_goes_along_with_the_task_that_it_asks_for() -> None:
    headers: dict[str, Any] = {}
    token = context.request_id.set("req_1")
    try:
        signals.before_task_publish.send("files.remove", headers=headers)
    finally:
        context.request_id.reset(token)
    assert context.known() == {}

    task = SimpleNamespace(name="files.remove", request=SimpleNamespace(headers=headers))
    signals.task_prerun.send(task.name, task_id="1", task=task)
    assert context.known() == {"request_id": "req_1", "task": "files.remove"}
    signals.task_postrun.send(task.name, task_id="1", task=task)
    assert context.known() == {}


def test_what_nobody_asked_for_has_no_id() -> None:
    headers: dict[str, Any] = {}
    signals.before_task_publish.send("canary", headers=headers)
    assert headers == {}
    task = SimpleNamespace(name="canary", request=SimpleNamespace(headers=None))
    signals.task_prerun.send(task.name, task_id="2", task=task)
    assert context.known() == {"task": "canary"}
    signals.task_postrun.send(task.name, task_id="2", task=task)
