"""Runs batches: each line comes in by the same door as a live request, and is answered as one."""

import asyncio
import logging
import multiprocessing.sharedctypes
from typing import Any

from celery import shared_task
from celery.signals import worker_shutting_down

from apps.api.answering import answer
from apps.api.errors import OPENAI
from apps.api.views import ChatCompletionsView, CompletionsView, EmbeddingsView, InferenceView
from apps.batches.contracts import Question, Reply
from apps.batches.selectors import has_open_batches
from apps.batches.services import run_open_batches
from apps.common.errors import ArtemisError
from apps.gateway import runtime, services

SECONDS = 200  # of work; with what is under way then, well below Celery's limit of a task (CELERY_TASK_TIME_LIMIT)
VIEWS: dict[str, type[InferenceView]] = {
    "/v1/chat/completions": ChatCompletionsView,
    "/v1/completions": CompletionsView,
    "/v1/embeddings": EmbeddingsView,
}
logger = logging.getLogger(__name__)
_stopping = multiprocessing.sharedctypes.RawValue("b", 0)  # seen by the processes that the worker forks


@worker_shutting_down.connect
def stop_running(**_: Any) -> None:
    """A worker that is told to stop waits for its tasks, and this one would take minutes."""
    _stopping.value = 1


@shared_task(name="batches.run")
def run_batches() -> None:
    """Beat asks for it every few seconds: what one task has no time for, the next one goes on with."""
    if has_open_batches():
        asyncio.run(_run())


async def _run() -> None:
    await runtime.start()
    try:
        await run_open_batches(ask, seconds=SECONDS, is_stopping=lambda: bool(_stopping.value))
    finally:
        await runtime.stop()


async def ask(question: Question) -> Reply:
    """One line, as a live request would be answered."""
    try:
        key = await services.authorize(question.secret_hash, address=question.address)
        _, answered = await answer(
            question.body,
            VIEWS[question.endpoint].takes,
            key=key,
            address=question.address,
            request_id=question.request_id,
            service_tier="batch",
            prepaid=question.prepaid,
        )
    except ArtemisError as error:
        refusal = error
    except Exception:
        logger.exception("%s failed", question.request_id)
        refusal = ArtemisError("Something went wrong on our side; it is logged.")
    else:
        return Reply(status=200, body=answered.body)
    body = OPENAI.error(refusal, question.request_id).body
    return Reply(status=refusal.status, body=body, code=refusal.code, retry_after=refusal.retry_after)
