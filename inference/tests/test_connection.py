"""The engine connection against servers that send exactly these bytes: what it reads, keeps, refuses and gives up."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from inference.client import EngineClient
from inference.errors import EngineError, EngineGarbled, EngineRefused, EngineTimeout, EngineUnreachable
from inference.router import Deployment

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


class Server:
    """One answer for each request, written piece by piece; counts connections."""

    def __init__(self, *pieces: bytes, then_close: bool = False, pause: float = 0.0) -> None:
        self.pieces, self.then_close, self.pause = pieces, then_close, pause
        self.connections = 0
        self.requests: list[bytes] = []
        self.lost = asyncio.Event()
        self.tasks: list[asyncio.Task[None] | None] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.tasks.append(asyncio.current_task())
        try:
            await self.answer(reader, writer)
        finally:
            self.lost.set()
            writer.transport.abort()

    async def stop(self) -> None:
        for task in self.tasks:
            task and task.cancel()
        await asyncio.wait([task for task in self.tasks if task] or [asyncio.create_task(asyncio.sleep(0))])
        await asyncio.sleep(0)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                for piece in self.pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(self.pause)
                if self.then_close:
                    writer.close()
                    await writer.wait_closed()
                    break


@asynccontextmanager
async def served(server: Server) -> AsyncIterator[Deployment]:
    listening = await asyncio.start_server(server, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        yield Deployment(
            id="a",
            model_group="moon",
            provider="hosted_vllm",
            upstream_model="moon",
            api_base=f"http://127.0.0.1:{port}/v1",
            api_key="secret",
            timeout=3,
            stream_timeout=0.3,
        )
    finally:
        listening.close()
        await server.stop()


@pytest.fixture
async def client() -> AsyncIterator[EngineClient]:
    async with EngineClient() as client:
        yield client


async def read_all(client: EngineClient, deployment: Deployment, *, stream: bool = True) -> bytes:
    upstream = await client.open(deployment, "/chat/completions", b"{}", stream=stream)
    if not stream:
        body = await upstream.body()
        await upstream.close(finished=True)
        return body
    read = b""
    while part := await upstream.read():
        read += part
    await upstream.close(finished=True)
    return read


async def test_a_request_is_written_whole_and_its_connection_kept(client: EngineClient) -> None:
    server = Server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    async with served(server) as deployment:
        for _ in range(3):
            assert await read_all(client, deployment, stream=False) == b"{}"
    assert server.connections == 1
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"Authorization: Bearer secret" in head and body == b"{}"


@pytest.mark.parametrize("size", [1, 3, 1000])
async def test_a_chunked_stream_arrives_however_the_network_cuts_it(client: EngineClient, size: int) -> None:
    whole = STREAM + b"8\r\ndata: 1\n\r\n1\r\n\n\r\n9\r\ndata: 2\n\n\r\n0\r\n\r\n"
    server = Server(*(whole[at : at + size] for at in range(0, len(whole), size)))
    async with served(server) as deployment:
        for _ in range(2):
            assert await read_all(client, deployment) == b"data: 1\n\ndata: 2\n\n"
    assert server.connections == 1


async def test_an_end_that_is_the_connections_end_is_one(client: EngineClient) -> None:
    server = Server(b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n", then_close=True)
    async with served(server) as deployment:
        assert await read_all(client, deployment) == b"data: 1\n\n"
        assert await read_all(client, deployment) == b"data: 1\n\n"
    assert server.connections == 2


async def test_an_interim_answer_is_none(client: EngineClient) -> None:
    server = Server(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    async with served(server) as deployment:
        assert await read_all(client, deployment, stream=False) == b"{}"


async def test_a_long_body_is_read_while_it_comes(client: EngineClient) -> None:
    body = b"x" * 5_000_000
    server = Server(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body)
    async with served(server) as deployment:
        assert await read_all(client, deployment, stream=False) == body


@pytest.mark.parametrize(
    ("pieces", "error"),
    [
        ((b"SSH-2.0-OpenSSH\r\n",), EngineGarbled),
        ((b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\n{}",), EngineGarbled),
        ((STREAM, b"zz\r\n"), EngineGarbled),
        ((STREAM, b"5\r\ndata"), EngineUnreachable),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{}",), EngineGarbled),
        ((), EngineUnreachable),
    ],
    ids=["no HTTP", "no stream", "no chunk", "cut in a chunk", "no event stream, cut", "closed without a word"],
)
async def test_what_is_no_answer_is_an_error(
    client: EngineClient, pieces: tuple[bytes, ...], error: type[EngineError]
) -> None:
    async with served(Server(*pieces, then_close=True)) as deployment:
        with pytest.raises(error):
            await read_all(client, deployment)


async def test_a_body_that_is_cut_is_an_error(client: EngineClient) -> None:
    server = Server(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{}", then_close=True)
    async with served(server) as deployment:
        with pytest.raises(EngineUnreachable):
            await read_all(client, deployment, stream=False)


@pytest.mark.parametrize("pieces", [(), (STREAM,), (STREAM, b"8\r\ndata: 1\n\r\n")], ids=["head", "first", "next"])
async def test_silence_has_a_limit(client: EngineClient, pieces: tuple[bytes, ...]) -> None:
    server = Server(*pieces)
    async with served(server) as deployment:
        began = time.monotonic()
        with pytest.raises(EngineTimeout):
            await read_all(client, deployment)
        assert 0.25 < time.monotonic() - began < 1
        await asyncio.wait_for(server.lost.wait(), 1)  # the engine is told


async def test_the_limit_is_on_silence_not_on_the_whole(client: EngineClient) -> None:
    chunks = [b"9\r\ndata: %d\n\n\r\n" % number for number in range(4)]
    async with served(Server(STREAM, *chunks, b"0\r\n\r\n", pause=0.15)) as deployment:
        assert (await read_all(client, deployment)).count(b"data") == 4


async def test_a_refusal_tells_what_and_when_and_keeps_the_connection(client: EngineClient) -> None:
    server = Server(b"HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nContent-Length: 5\r\n\r\nlater")
    async with served(server) as deployment:
        for _ in range(2):
            with pytest.raises(EngineRefused) as refused:
                await read_all(client, deployment)
            assert (refused.value.status, refused.value.body, refused.value.retry_after) == (429, b"later", 7)
    assert server.connections == 1


async def test_a_stream_that_is_left_closes_its_connection(client: EngineClient) -> None:
    server = Server(STREAM, b"9\r\ndata: 1\n\n\r\n")
    async with served(server) as deployment:
        upstream = await client.open(deployment, "/chat/completions", b"{}", stream=True)
        await upstream.read()
        await upstream.close()
        await asyncio.wait_for(server.lost.wait(), 1)


@pytest.mark.parametrize(
    "changes", [{"api_base": "http://127.0.0.1:1"}, {"api_base": "nowhere"}, {"api_key": "a\r\nHost: evil"}]
)
async def test_an_engine_that_cannot_be_asked_is_unreachable(client: EngineClient, changes: dict[str, str]) -> None:
    fields = {"id": "a", "model_group": "m", "provider": "openai", "upstream_model": "m"}
    deployment = Deployment(**{**fields, "api_base": "http://127.0.0.1:1", "api_key": "", **changes})
    with pytest.raises(EngineUnreachable):
        await client.open(deployment, "/chat/completions", b"{}", stream=False)
