"""Runs batches, responses in the background, the reading of documents, also for graphs, and the re-embedding of stores:
each request comes in by the same door as a live one."""

import asyncio
import logging
import multiprocessing.sharedctypes
from dataclasses import replace
from typing import Any

from celery import shared_task
from celery.signals import worker_shutting_down

from apps.api.answering import call_of
from apps.api.errors import OPENAI
from apps.api.responses import ResponsesView, with_findings
from apps.api.views import ChatCompletionsView, CompletionsView, EmbeddingsView, InferenceView
from apps.batches.contracts import Question, Reply
from apps.batches.selectors import has_open_batches
from apps.batches.services import run_open_batches
from apps.catalog.selectors import context_of_model
from apps.common.errors import ArtemisError
from apps.gateway import runtime, services
from apps.knowledge.graph.running import extracted, run_waiting_graphs
from apps.knowledge.graph.selectors import has_waiting_graphs
from apps.knowledge.selectors import has_waiting_documents, has_waiting_reembeddings
from apps.knowledge.services import embedded
from apps.knowledge.services.running import run_waiting_documents, run_waiting_reembeddings
from apps.responses.contracts import Errand
from apps.responses.selectors import has_waiting_responses
from apps.responses.services import respond_in_background, run_waiting_responses

SECONDS = 200  # of work; with what is under way then, well below Celery's limit of a task (CELERY_TASK_TIME_LIMIT)
# Of responses, whose answers may take longer: with what is under way then, below the hour after which Redis gives a
# task to a second worker.
RESPONSES_SECONDS, RESPONSES_TIME_LIMIT = 2400, 3000
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
        asyncio.run(runtime.at_work(run_open_batches(ask, seconds=SECONDS, is_stopping=_is_stopping)))


@shared_task(name="responses.run", time_limit=RESPONSES_TIME_LIMIT)
def run_responses() -> None:
    """Beat asks for it as well, for those of a worker that was killed, or that were not enqueued."""
    if has_waiting_responses():
        work = run_waiting_responses(ask_for_response, seconds=RESPONSES_SECONDS, is_stopping=_is_stopping)
        asyncio.run(runtime.at_work(work))


@shared_task(name="knowledge.run")
def run_documents() -> None:
    """Beat asks for it as well, for those that wait, and for those of a worker that was killed."""
    if has_waiting_documents():
        work = run_waiting_documents(embedded, context_of_model, seconds=SECONDS, is_stopping=_is_stopping)
        asyncio.run(runtime.at_work(work))


@shared_task(name="knowledge.reembed")
def run_reembeddings() -> None:
    """Beat asks for it as well, as for documents."""
    if has_waiting_reembeddings():
        work = run_waiting_reembeddings(embedded, seconds=SECONDS, is_stopping=_is_stopping)
        asyncio.run(runtime.at_work(work))


@shared_task(name="knowledge.graph")
def run_graphs() -> None:
    """Beat asks for it as well. Documents are found by search long before they are in a graph."""
    if has_waiting_graphs():
        asyncio.run(runtime.at_work(run_waiting_graphs(extracted, seconds=SECONDS, is_stopping=_is_stopping)))


def _is_stopping() -> bool:
    return bool(_stopping.value)


async def ask(question: Question) -> Reply:
    """One line, as a live request would be answered."""
    takes = VIEWS[question.endpoint].takes
    try:
        key = await services.authorize(question.secret_hash, address=question.address)
        parsed, call = await call_of(
            question.body,
            takes,
            key=key,
            address=question.address,
            request_id=question.request_id,
            service_tier="batch",
            prepaid=question.prepaid,
        )
        answered = await takes.complete(call, parsed)
    except ArtemisError as error:
        refusal = error
    except Exception:
        logger.exception("%s failed", question.request_id)
        refusal = ArtemisError("Something went wrong on our side; it is logged.")
    else:
        return Reply(status=200, body=answered.body)
    body = OPENAI.error(refusal, question.request_id).body
    return Reply(status=refusal.status, body=body, code=refusal.code, retry_after=refusal.retry_after)


async def ask_for_response(errand: Errand) -> bytes:
    """One response, as a live request would be answered. Raises ArtemisError."""
    key = await services.authorize(errand.secret_hash, address=errand.address)
    parsed, call = await call_of(
        errand.request,
        ResponsesView.takes,
        key=key,
        address=errand.address,
        request_id=errand.request_id,
        end_user=lambda named: errand.end_user,
        limits=errand.limits,
        prepaid=errand.prepaid,
    )
    call = replace(call, counted=True)  # when it was taken on
    answered = await respond_in_background(*await with_findings(call, parsed), errand)
    return answered.body
