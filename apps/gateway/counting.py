"""Counts a prompt without asking for an answer: by the engine's own count where it has one, else by an estimate."""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec

from apps.catalog.contracts import ModelFacts
from apps.gateway.contracts import TokenCount
from apps.gateway.refusals import CALLER_FAULTS, refusal
from apps.gateway.wires import WIRES
from inference.client import EngineClient
from inference.errors import EngineError, EngineGarbled, EngineRefused
from inference.router import Deployment, EngineRouter, NoDeployment
from inference.translate import count_text

ENDPOINT = "messages"
MOST_SECONDS = 10.0
TURN_TOKENS = 4  # the marks of a chat template around a turn
IMAGE_TOKENS = 1600  # of the largest that Claude reads; smaller ones cost less
FREE_FORM = frozenset({"input", "input_schema", "input_examples"})
NOT_READ = frozenset({"type", "role", "cache_control", "signature", "caller", "citations"})
AT_ONCE = 2  # estimates, each in a thread: they take CPU that others' streams need
logger = logging.getLogger(__name__)
_turn = asyncio.Semaphore(AT_ONCE)


class _Answer(msgspec.Struct):
    input_tokens: int


async def counted(router: EngineRouter, client: EngineClient, model: ModelFacts, payload: dict[str, Any]) -> TokenCount:
    """Raises Invalid for what the engine refuses to read."""
    try:
        deployment = await router.pick(model.public_name)
        if deployment.speaks(ENDPOINT):
            return TokenCount(await _ask(client, deployment, payload), estimated=False)
    except EngineRefused as error:
        if error.status in CALLER_FAULTS:
            raise refusal(error, ENDPOINT) from error
        logger.warning("%s does not count: %s", model.public_name, error)
    except (EngineError, NoDeployment) as error:
        logger.warning("%s does not count: %s", model.public_name, error)
    async with _turn:
        return TokenCount(await asyncio.to_thread(estimate_prompt, payload), estimated=True)


async def _ask(client: EngineClient, deployment: Deployment, payload: dict[str, Any]) -> int:
    body = msgspec.json.encode({"model": deployment.upstream_model, **payload})
    hurried = replace(deployment, timeout=min(deployment.timeout, MOST_SECONDS))
    upstream = await client.open(hurried, f"{WIRES[ENDPOINT].path}/count_tokens", body, stream=False)
    try:
        return msgspec.json.decode(await upstream.body(), type=_Answer).input_tokens
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EngineGarbled("the engine's count is none") from error
    finally:
        await upstream.close()


def estimate_prompt(payload: dict[str, Any]) -> int:
    """Its texts by a common tokeniser; what a chat template adds, and images, by rules of thumb."""
    texts = [text for part in ("system", "tools", "messages") for text in _texts(payload.get(part))]
    images = sum(_images(turn["content"]) for turn in payload["messages"])
    return count_text("\n".join(texts)) + TURN_TOKENS * len(payload["messages"]) + IMAGE_TOKENS * images


def _texts(value: Any) -> Iterator[str]:
    """Every text in it but images. What has a form of the caller's own is written out as JSON, as engines do it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict) and value.get("type") != "image":
        for name, item in value.items():
            if name in FREE_FORM:
                yield msgspec.json.encode(item).decode()
            elif name not in NOT_READ:
                yield from _texts(item)


def _images(content: Any) -> int:
    if not isinstance(content, list):
        return 0
    return sum(1 if block["type"] == "image" else _images(block.get("content")) for block in content)
