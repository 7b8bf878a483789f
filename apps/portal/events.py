"""Answers that come bit by bit: events as lines of JSON, which the page's script reads as they come."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connection
from django.http import StreamingHttpResponse

from apps.gateway.contracts import EventStream

Event = dict[str, Any]


class EventsResponse(StreamingHttpResponse):
    """Sends events until there are no more. However it ends, a caller who hangs up included, the generator is closed:
    Django would leave that to the garbage collector, and what is held for the answer would wait for it."""

    def __init__(self, events: AsyncGenerator[Event, None]) -> None:
        super().__init__(events, content_type="application/x-ndjson")
        self["Cache-Control"] = "no-store"
        self["X-Accel-Buffering"] = "no"
        self._events = events

    async def __aiter__(self) -> AsyncIterator[bytes]:
        await sync_to_async(_give_back_connection)()
        async with aclosing(self._events) as events:
            async for event in events:
                yield json.dumps(event).encode() + b"\n"


def _give_back_connection() -> None:
    """The request's own, which Django would keep as long as the answer."""
    connection.close()


async def parts_of(stream: EventStream) -> AsyncGenerator[bytes, None]:
    """What a stream of the gateway writes, as it comes. It is settled whichever way this ends."""
    parts: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def write(part: bytes, *, last: bool = False) -> None:
        parts.put_nowait(part)

    async def pump() -> None:
        try:
            await stream.pump(write)
        finally:
            parts.put_nowait(None)

    task = asyncio.create_task(pump())
    try:
        while (part := await parts.get()) is not None:
            yield part
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await stream.abandon()
