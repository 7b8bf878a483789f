"""One turn of a chat over a vector store, as events for the page: found, thinking, text, answered, used, refused.

It is what a call of chat completions with `file_search` is, by the key that pays: admitted, metered and billed like it.
All of it happens after the page's request was let in, so that a person who stops or leaves ends it at any moment; what
is refused then is an event, too.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

from apps.common.database import in_thread
from apps.common.errors import ArtemisError, Invalid, Unavailable
from apps.common.money import format_usd
from apps.gateway import services as gateway
from apps.gateway.contracts import Call, EventStream
from apps.knowledge import services as knowledge
from apps.knowledge.contracts import Findings, Wanted
from apps.portal.chat.asked import Asked, recent
from apps.portal.chat.reading import Usage, chunks_of
from apps.portal.chat.showing import Where, answer_html, found_html
from apps.portal.events import Event, parts_of
from apps.usage.selectors import totals_with_errands

logger = logging.getLogger(__name__)
ENDPOINT = "chat.completions"
MOST_PASSAGES = 8
MESSAGE_BYTES = 64  # around a message's text
RECORDED_SECONDS, LOOK_SECONDS = 6.0, 0.5  # a worker records what a request cost within seconds
Events = AsyncGenerator[Event, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A turn, who asks, and with which key."""

    asked: Asked
    account_id: int
    key_id: int
    address: str
    where: Where


@dataclass(slots=True)
class Said:
    """What came of the model so far."""

    text: str = ""
    finish: str = ""
    usage: Usage | None = None


async def turn(asking: Asking) -> Events:
    try:
        async with aclosing(_turn(asking)) as events:
            async for event in events:
                yield event
    except ArtemisError as error:
        yield {"type": "refused", "message": error.message}
    except Exception:
        logger.exception("a turn of a chat failed")
        yield {"type": "refused", "message": "Something went wrong on our side; it is logged."}


async def _turn(asking: Asking) -> Events:
    call, forgotten = await _call(asking)
    call = await knowledge.admitted(call)
    questions = [*(one.question for one in asking.asked.turns), asking.asked.question]
    found = await knowledge.find_passages(
        call,
        store_ids=[asking.where.store],
        queries=knowledge.questions_of(questions),
        wanted=Wanted(most=MOST_PASSAGES, widens=True),
    )
    html = await in_thread(partial(found_html, found, asking.where))
    yield {"type": "found", "html": html, "passages": len(found.hits), "forgotten": forgotten}
    answer = await gateway.complete(knowledge.with_passages(call, found))
    if answer.stream is None:
        raise Unavailable("The model's answer could not be read.")
    said = Said()
    async with aclosing(_heard(answer.stream, said)) as events:
        async for event in events:
            yield event
    yield await _answered(said, found, asking.where)
    yield await _used(asking.account_id, call.request_id, said)


async def _call(asking: Asking) -> tuple[Call, int]:
    """The request, and how many turns of the conversation had no room in it. Raises ArtemisError."""
    asked, address = asking.asked, asking.address
    key = await knowledge.key_by_id(asking.key_id, address=address)
    key, model = await gateway.model_for(key, name=asked.model, endpoint=ENDPOINT, address=address)
    if model.kind != "chat":
        raise Invalid("model", f"{model.public_name} is a model for {model.kind}; choose one for chats.")
    turns = recent(asked.turns, context_length=model.context_length)
    messages = [message for one in turns for message in one.messages]
    messages.append({"role": "user", "content": asked.question})
    call = Call(
        request_id=f"req_{secrets.token_hex(12)}",
        endpoint=ENDPOINT,
        key=key,
        address=address,
        model=model,
        payload={"messages": messages},
        prompt_bytes=sum(len(message["content"].encode()) + MESSAGE_BYTES for message in messages),
        stream=True,
        include_usage=True,
        may_be_logged=True,
    )
    return call, len(asked.turns) - len(turns)


async def _heard(stream: EventStream, said: Said) -> Events:
    """Raises Unavailable where the answer breaks off."""
    is_thinking = False
    async with aclosing(parts_of(stream)) as parts:
        async for part in parts:
            text = ""
            for chunk in chunks_of(part):
                if chunk.error is not None:
                    raise Unavailable(chunk.error.message)
                said.usage = chunk.usage or said.usage
                for choice in chunk.choices:
                    text += choice.delta.content or ""
                    said.finish = choice.finish_reason or said.finish
                    if choice.delta.is_thought and not is_thinking:
                        is_thinking = True
                        yield {"type": "thinking"}
            if text:
                said.text += text
                yield {"type": "text", "text": text}


async def _answered(said: Said, found: Findings, where: Where) -> Event:
    cited = knowledge.citations(said.text, found.hits)
    html = await in_thread(partial(answer_html, said.text, found, where, was_cut=said.finish == "length"))
    return {"type": "answered", "html": html, "sources": len({one.number for one in cited})}


async def _used(account_id: int, request_id: str, said: Said) -> Event:
    """As it is recorded, the search included; without its cost, where that takes long."""
    until = time.monotonic() + RECORDED_SECONDS
    while time.monotonic() < until:
        await asyncio.sleep(LOOK_SECONDS)
        used = await in_thread(partial(totals_with_errands, account_id=account_id, request_id=request_id))
        if used is not None:
            cost = format_usd(used.cost)
            return {"type": "used", "input": used.input_tokens, "output": used.output_tokens, "cost": cost}
    usage = said.usage or Usage()
    return {"type": "used", "input": usage.prompt_tokens, "output": usage.completion_tokens, "cost": ""}
