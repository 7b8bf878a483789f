"""Sends one answer at the script's pace, with its faults, and notices when the caller hangs up."""

import asyncio
import os
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any

from inference import asgi
from inference.fake.answer import Dialect, Frame, encode
from inference.fake.journal import Entry
from inference.fake.script import Script

MALFORMED = {
    "json": b'data: {"id":"chatcmpl-fake","choices":[{"index":0,"delta":{"content":"bro\n\n',
    "html": b"<html><body><h1>502 Bad Gateway</h1></body></html>\n\n",
    "long_line": b"data: " + b"x" * (10 << 20) + b"\n\n",
}
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Delivery:
    """One response. Where a script lets no time pass, nobody watches for hang-ups: the benchmarks' path."""

    def __init__(self, script: Script, entry: Entry, receive: asgi.Receive, send: asgi.Send) -> None:
        self._script, self._entry, self._receive, self._send = script, entry, receive, send
        self._hang_up: asyncio.Future[None] | None = None
        if script.is_paced:
            self._hang_up = asyncio.ensure_future(asgi.wait_for_disconnect(receive))

    def close(self) -> None:
        if self._hang_up is not None:
            self._hang_up.cancel()

    async def pause(self, seconds: float | None) -> None:
        """Wait (None: for ever); raises DisconnectedError when the caller leaves meanwhile."""
        if self._hang_up is None or (seconds is not None and seconds <= 0):
            return
        await asyncio.wait({self._hang_up}, timeout=seconds)
        if self._hang_up.done():
            raise asgi.DisconnectedError

    async def instead_of_answer(self, dialect: Dialect) -> bool:
        """The faults that come before an answer; True where one took its place."""
        script, entry = self._script, self._entry
        await self.pause(script.header_delay)
        if script.exit_on_request:
            os._exit(1)
        if script.silent:
            entry.fault = "silent"
            await self.pause(None)
        if script.reset:
            entry.fault = "reset"
            await self._reset()
            return True
        if script.status is not None:
            entry.status = script.status
            entry.fault = f"status {script.status}"
            await self._scripted_status(script.status, dialect)
            return True
        return False

    async def whole(self, body: bytes, tokens: int) -> None:
        """An answer in one piece: it comes when its last token is made."""
        script, entry = self._script, self._entry
        began = time.monotonic()
        rate = script.tokens_per_second
        try:
            await self.pause(script.first_token_delay + (tokens / rate if rate else 0.0))
        except asgi.DisconnectedError:
            made = (time.monotonic() - began - script.first_token_delay) * (rate or 0.0)
            entry.generated = max(0, min(tokens, int(made)))
            raise
        entry.generated = tokens
        entry.status = 200
        if script.cut_after is not None:
            entry.fault = "cut"
            length = (b"content-length", str(len(body)).encode())
            await self._start([asgi.JSON_TYPE, length])
            await self._part(body[: len(body) // 2])
            return
        await asgi.respond(self._send, 200, body)
        entry.delivered = tokens

    async def stream(self, frames: Sequence[Frame], *, done: bytes, broken: bytes) -> None:
        """Events one by one. Returning before the last part makes the server close the socket: a cut."""
        script, entry = self._script, self._entry
        entry.status = 200
        await self._start([asgi.EVENTS_TYPE])
        await self.pause(script.first_token_delay)
        began = time.monotonic()
        rate = script.tokens_per_second
        made = 0
        for sent, (frame, tokens) in enumerate(frames):
            if await self._fault_after(sent, broken):
                return
            if rate and tokens:
                await self.pause(began + made / rate - time.monotonic())
            made += tokens
            entry.generated = made
            await self._part(frame)
            entry.delivered = made
        if await self._fault_after(len(frames), broken):
            return
        await self._send({"type": "http.response.body", "body": b"" if script.omit_done else done})

    async def _fault_after(self, sent: int, broken: bytes) -> bool:
        """What the script wants after so many chunks; True ends the answer in a cut."""
        script, entry = self._script, self._entry
        if script.exit_after == sent:
            await asyncio.sleep(0.01)  # let what was sent leave the process
            os._exit(1)
        if script.stall_after == sent:
            entry.fault = "stall"
            await self.pause(None)
        if script.malformed_after == sent:
            entry.fault = "malformed"
            await self._part(MALFORMED[script.malformed])
        if script.error_after == sent:
            entry.fault = "error"
            await self._part(broken)
            await self._send({"type": "http.response.body", "body": b""})
            return True
        if script.end_after == sent:
            entry.fault = "end"
            await self._send({"type": "http.response.body", "body": b""})
            return True
        if script.cut_after == sent:
            entry.fault = "cut"
            return True
        return False

    async def _scripted_status(self, status: int, dialect: Dialect) -> None:
        content_type, body = (
            asgi.JSON_TYPE,
            dialect.refusal(status, f"the fake engine was told to answer {status}"),
        )
        if isinstance(self._script.body, str):
            content_type, body = (b"content-type", b"text/html"), self._script.body.encode()
        elif self._script.body is not None:
            body = encode(self._script.body)
        await asgi.respond(self._send, status, body, headers=[content_type, *self._script.retry_headers])

    async def _start(self, headers: list[asgi.Header]) -> None:
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _part(self, body: bytes) -> None:
        size = self._script.split_bytes
        pieces = [body] if not size else [body[at : at + size] for at in range(0, len(body), size)]
        for piece in pieces:
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
            if not self._script.coalesce:
                await asyncio.sleep(0)  # one write per event, as engines do

    async def _reset(self) -> None:
        """RST instead of FIN. ASGI knows no such thing, so this reaches for uvicorn's transport."""
        transport: Any = self._send.__self__.transport  # type: ignore[attr-defined]
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        transport.abort()
        await asgi.wait_for_disconnect(self._receive)
