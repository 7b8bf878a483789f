"""Makes an engine's response the caller's own, and keeps it before the caller sees the end of it."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from django.db import Error

from apps.common.database import in_thread
from apps.common.errors import Unavailable
from apps.gateway.contracts import Call, EventStream, Write
from apps.responses.citing import BEGINS, CitedEvents
from apps.responses.contracts import Item
from apps.responses.draft import Draft, answered, encode
from apps.responses.models import StoredResponse
from inference.responses_writer import ENDS

END = b"\n\n"
CARRIES = b'"response":'  # within a JSON text its quotes would be escaped
KEEP_SECONDS = 2.0
logger = logging.getLogger(__name__)


class _Event(msgspec.Struct):
    type: str
    sequence_number: int = 0
    response: msgspec.Raw = msgspec.Raw(b"")


_decode_event = msgspec.json.Decoder(_Event).decode


@dataclass(frozen=True, slots=True)
class Keeper:
    """What becomes of one call's response. `items` are what was asked, as they are kept."""

    call: Call
    draft: Draft
    items: list[Item]

    async def finished(self, body: bytes) -> dict[str, Any]:
        """The whole response, kept where that is wanted. Where it could not be, it says `store: false` of itself."""
        response = self.draft.finished(answered(body))
        if self.draft.asked.store and not await self._kept(response):
            response["store"] = False
        return response

    async def _kept(self, response: dict[str, Any]) -> bool:
        """Whether it was; a database that is away must not spoil an answer that is paid for."""
        row = self._row(response)
        try:
            async with asyncio.timeout(KEEP_SECONDS):
                try:
                    await in_thread(lambda: _insert(row))
                except Unavailable:  # it may be there all the same, and its answer was lost
                    await in_thread(lambda: _insert(row))
        except (Error, Unavailable, TimeoutError):
            logger.exception("%s: the response %s could not be stored", self.call.request_id, self.draft.id)
            return False
        return True

    def _row(self, response: dict[str, Any]) -> StoredResponse:
        body, items = encode(response), encode(self.items)
        return StoredResponse(
            public_id=self.draft.id,
            account_id=self.call.key.account_id,
            project_id=self.call.key.project_id,
            request_id=self.call.request_id,
            previous_id=self.draft.asked.previous_response_id,
            model=self.draft.model,
            body=body.decode(),
            items=items.decode(),
            size=len(body) + len(items),
            created_at=datetime.fromtimestamp(self.draft.created_at, UTC),
        )


def _insert(row: StoredResponse) -> None:
    """Once, however often it is asked for."""
    StoredResponse.objects.bulk_create([row], ignore_conflicts=True)


class KeptStream:
    """A stream whose whole responses are written anew; all other events pass as the bytes that they are."""

    def __init__(self, stream: EventStream, keeper: Keeper) -> None:
        self._stream = stream
        self._keeper = keeper
        found = keeper.draft.asked.found
        self._cited = CitedEvents(found) if found else None

    async def pump(self, write: Write) -> None:
        async def own(part: bytes, *, last: bool = False) -> None:
            if CARRIES in part or self._cited:
                frames = part[: -len(END)].split(END)
                part = b"".join([await self._own(frame) + END for frame in frames])
            await write(part, last=last)

        await self._stream.pump(own)

    async def abandon(self) -> None:
        await self._stream.abandon()

    async def _own(self, frame: bytes) -> bytes:
        if CARRIES not in frame:
            return self._renumbered(frame)
        data = _data(frame)
        event = _decode_event(data)
        if event.type in ENDS:
            response = await self._keeper.finished(bytes(event.response))
            kind = f"response.{response['status']}"  # vLLM calls them completed, whatever they are
        elif event.type in BEGINS:
            response, kind = self._keeper.draft.begun(), event.type
        else:
            return self._renumbered(frame)
        told = {"type": kind, "sequence_number": event.sequence_number, "response": response}
        return END.join(map(_frame, self._cited.of(told) if self._cited else [told]))

    def _renumbered(self, frame: bytes) -> bytes:
        """An event among those of a search; what is no event of the response passes."""
        if self._cited is None or not (data := _data(frame)):
            return frame
        event = msgspec.json.decode(data)
        return END.join(map(_frame, self._cited.of(event))) if isinstance(event, dict) and "type" in event else frame


def _data(frame: bytes) -> bytes:
    return b"".join(line[5:].strip() for line in frame.split(b"\n") if line.startswith(b"data:"))


def _frame(event: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s" % (event["type"].encode(), encode(event))
