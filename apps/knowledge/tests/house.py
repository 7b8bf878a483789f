"""The gateway in this process, before fake engines with the models that stores need."""

import asyncio
import json
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import pytest

from apps.catalog.services import load_models
from apps.common.redis import sync_redis
from apps.gateway import runtime
from apps.knowledge.ingestion.run import LOCK
from apps.knowledge.reembedding.run import LOCK as REEMBEDDING_LOCK
from apps.knowledge.services import embedded
from apps.knowledge.services.running import run_waiting_documents, run_waiting_reembeddings
from inference.fake.control import FakeServer

Result = TypeVar("Result")
EMBEDDER, SECOND_EMBEDDER, RANKER, CHATTER = "luna", "luna-2", "judge", "writer"


@pytest.fixture
def embedder(transactional_db: None) -> Iterator[FakeServer]:
    """What embeds."""
    with FakeServer() as fake:
        load_models(text=_models(fake, {EMBEDDER: "embedding", SECOND_EMBEDDER: "embedding"}))
        yield fake


@pytest.fixture
def engine(transactional_db: None) -> Iterator[FakeServer]:
    """What reranks and chats; it fails alone."""
    with FakeServer() as fake:
        load_models(text=_models(fake, {RANKER: "rerank", CHATTER: "chat"}))
        yield fake


def _models(fake: FakeServer, modes: dict[str, str]) -> str:
    entries = [
        {
            "model_name": name,
            "litellm_params": {
                "model": f"hosted_vllm/{name}",
                "api_base": f"{fake.base_url}/v1",
                "api_key": "engine-key",
                "timeout": 20,
            },
            "model_info": {
                "id": name,
                "mode": mode,
                "max_input_tokens": 4096,
                "max_output_tokens": 64,
                "input_cost_per_token": "1e-6",
                "output_cost_per_token": "2e-6",
                "extensions": ["chat_template_kwargs.enable_thinking"] if mode == "chat" else [],
            },
        }
        for name, mode in modes.items()
    ]
    return json.dumps({"model_list": entries})


def at_work(work: Coroutine[Any, Any, Result]) -> Result:
    return asyncio.run(runtime.at_work(work))


def read_by_the_gateway() -> None:
    """What waits, as a worker does."""
    sync_redis().delete(LOCK)
    at_work(run_waiting_documents(embedded, lambda *, name: None, seconds=60))


def reembed_by_the_gateway() -> None:
    sync_redis().delete(REEMBEDDING_LOCK)
    at_work(run_waiting_reembeddings(embedded, seconds=60))


def asked(engine: FakeServer, path: str) -> list[dict[str, Any]]:
    """The bodies of the requests that came to one of its endpoints."""
    return [entry["body"] for entry in engine.log() if entry["path"] == path]
