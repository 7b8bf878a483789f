"""Reads a page's body to disk as it comes, unpacked, and stops at a bound: of what comes and of what it unpacks to."""

import asyncio
import zlib
from typing import IO

import aiohttp

from apps.files.web.errors import too_large, unreachable

PIECE = 2**18
EITHER = 32 + zlib.MAX_WBITS  # gzip's header or zlib's
PLAIN, PACKED = ("", "identity"), ("gzip", "x-gzip", "deflate")


async def received(answer: aiohttp.ClientResponse, file: IO[bytes], *, most: int) -> int:
    """Its size. Raises Invalid."""
    declared = answer.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most:
        raise too_large(most)
    body = _Body(file, answer.headers.get("content-encoding", "").strip().lower(), most)
    waiting = bytearray()
    async for part in answer.content.iter_chunked(PIECE):
        waiting += part
        if len(waiting) >= PIECE:  # neither unpacking nor a slow disk may hold up the others' streams
            await asyncio.to_thread(body.take, bytes(waiting))
            waiting.clear()
    await asyncio.to_thread(body.take, bytes(waiting))
    return body.end()


class _Body:
    def __init__(self, file: IO[bytes], encoding: str, most: int) -> None:
        if encoding not in (*PLAIN, *PACKED):
            raise unreachable("The page's server sends it in an encoding that was not asked for.")
        self._file = file
        self._most = most
        self._came = self._size = 0
        self._packed = zlib.decompressobj(EITHER) if encoding in PACKED else None

    def take(self, data: bytes) -> None:
        self._came += len(data)
        if self._came > self._most:
            raise too_large(self._most)
        if self._packed is None:
            self._write(data)
        while self._packed and data and not self._packed.eof:
            try:
                self._write(self._packed.decompress(data, PIECE))
            except zlib.error as error:
                raise unreachable("The page came damaged from its server.") from error
            data = self._packed.unconsumed_tail

    def end(self) -> int:
        if self._packed and self._came and not self._packed.eof:
            raise unreachable("The page broke off.")
        return self._size

    def _write(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._most:
            raise too_large(self._most)
        self._file.write(data)
