"""A response is written anew, and kept before its end is shown; all other events pass as they are."""

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from apps.accounts.models import Project
from apps.accounts.tests.cast import Cast
from apps.common.database import in_thread
from apps.gateway.contracts import Call, Write
from apps.responses.contracts import Asked
from apps.responses.draft import Draft
from apps.responses.items import as_items
from apps.responses.keeping import Keeper, KeptStream
from apps.responses.models import StoredResponse

DELTA = b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta", "delta":"\\"response\\":{"}'


def event(kind: str, number: int, **response: Any) -> bytes:
    data = {"type": kind, "sequence_number": number, "response": response}
    return b"event: %s\ndata: %s" % (kind.encode(), json.dumps(data).encode())


def finished(status: str = "completed") -> bytes:
    item = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "NUL: \0"}]}
    return event("response.completed", 9, id="resp_engine", status=status, model="engine's", output=[item], usage=None)


class EngineStream:
    """The gateway's stream, in two parts."""

    def __init__(self, *parts: bytes) -> None:
        self.parts = parts
        self.abandoned = False

    async def pump(self, write: Write) -> None:
        for number, part in enumerate(self.parts, start=1):
            await write(part, last=number == len(self.parts))

    async def abandon(self) -> None:
        self.abandoned = True


def keeper(account_id: int, project_id: int, *, store: bool = True) -> Keeper:
    key = SimpleNamespace(account_id=account_id, project_id=project_id)
    call = cast(Call, SimpleNamespace(key=key, request_id="req_1"))
    asked = Asked(
        given="Hello", previous_response_id="resp_0", store=store, repeated={"metadata": {"a": "b"}, "input": 1}
    )
    return Keeper(call, Draft("moon", asked), as_items("Hello"))


@pytest.fixture
def mine(transactional_db: None, request: pytest.FixtureRequest) -> Keeper:
    """Committed, for it is another thread that writes."""
    northwind = cast(Cast, request.getfixturevalue("cast")).northwind
    return keeper(northwind.id, Project.objects.get(account_id=northwind.id).pk)


async def pumped(kept: Keeper, *parts: bytes) -> list[bytes]:
    written: list[bytes] = []

    async def write(part: bytes, *, last: bool = False) -> None:
        written.append(part)

    await KeptStream(EngineStream(*parts), kept).pump(write)
    return written


def data_of(frame: bytes) -> Any:
    return json.loads(frame.split(b"\n")[1].removeprefix(b"data: "))


async def test_only_responses_are_written_anew(mine: Keeper) -> None:
    created = event("response.created", 0, id="resp_engine", status="in_progress")
    first, second = await pumped(mine, created + b"\n\n" + DELTA + b"\n\n", DELTA + b"\n\n" + finished() + b"\n\n")
    begun, delta, _ = first.split(b"\n\n")
    again, last, _ = second.split(b"\n\n")

    assert delta == again == DELTA
    assert data_of(begun)["response"] | {"created_at": 0} == data_of(begun)["response"] | {
        "created_at": 0,
        "id": mine.draft.id,
        "status": "in_progress",
        "model": "moon",
        "output": [],
        "store": True,
        "previous_response_id": "resp_0",
        "metadata": {"a": "b"},
    }
    assert data_of(last)["sequence_number"] == 9
    row = await in_thread(StoredResponse.objects.get)
    assert json.loads(row.body) == data_of(last)["response"]
    assert (row.public_id, row.previous_id, row.request_id) == (mine.draft.id, "resp_0", "req_1")
    assert json.loads(row.items)[0]["content"] == [{"type": "input_text", "text": "Hello"}]
    assert row.size == len(row.body.encode()) + len(row.items.encode())


async def test_what_only_looks_like_a_response_passes_as_it_is(mine: Keeper) -> None:
    odd = b'event: response.tool.done\ndata: {"type":"response.tool.done","item":{"response":{"a":1}}}\n\n'
    assert await pumped(mine, odd) == [odd]


async def test_the_event_is_called_what_the_status_says(mine: Keeper) -> None:
    (part,) = await pumped(mine, finished("incomplete") + b"\n\n")
    assert part.startswith(b"event: response.incomplete\n")
    assert data_of(part)["response"]["incomplete_details"] == {"reason": "max_output_tokens"}


async def test_it_is_kept_before_its_end_is_shown(mine: Keeper) -> None:
    seen: list[bool] = []

    async def write(part: bytes, *, last: bool = False) -> None:
        seen.append(await in_thread(StoredResponse.objects.filter(public_id=mine.draft.id).exists))

    await KeptStream(EngineStream(DELTA + b"\n\n", finished() + b"\n\n"), mine).pump(write)
    assert seen == [False, True]


async def test_a_store_that_fails_does_not_spoil_the_answer(
    transactional_db: None, caplog: pytest.LogCaptureFixture
) -> None:
    nobodys = keeper(account_id=1_000_000, project_id=1_000_000)
    (part,) = await pumped(nobodys, finished() + b"\n\n")
    response = data_of(part)["response"]
    assert (response["status"], response["store"]) == ("completed", False)
    assert "could not be stored" in caplog.text


async def test_what_is_not_to_be_kept_is_not(mine: Keeper) -> None:
    (part,) = await pumped(keeper(1, 1, store=False), finished() + b"\n\n")
    assert data_of(part)["response"]["store"] is False
    assert not await in_thread(StoredResponse.objects.exists)


async def test_who_is_gone_abandons_the_gateways_stream() -> None:
    stream = EngineStream()
    await KeptStream(stream, keeper(1, 1)).abandon()
    assert stream.abandoned
