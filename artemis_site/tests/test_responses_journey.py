"""Responses by the official client: whole and streamed, with tools and memory, from engines that fail, and the bill."""

import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai.types.responses import Response, ResponseItemList, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from apps.usage.contracts import RequestRow
from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import Key, make_account, renew_catalog
from artemis_site.tests.platform import CLAUDE, MODEL, SMALL_MODEL, Platform

QUESTION = "Tell me of the moon."
PROMPT_TOKENS = 8
WARM = 24
INPUT_PRICE, CACHED_PRICE, OUTPUT_PRICE = 1000, 100, 2000
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
TOOL: Any = {
    "type": "function",
    "name": "look_up",
    "description": "Looks something up",
    "parameters": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
    "strict": True,
}
MOVED = {"primary": "moon-a", "claude": "claude"}


class Weather(BaseModel):
    city: str
    degrees: int


@pytest.fixture
def key(desk: Desk) -> Key:
    return desk.key()


@pytest.fixture
def client(platform: Platform, key: Key) -> openai.OpenAI:
    return platform.client(key.secret)


@pytest.fixture(params=["primary", "claude"])
def answering(request: pytest.FixtureRequest, platform: Platform) -> Iterator[str]:
    """Who answers: an engine that speaks responses itself, or Claude, translated, because our own are down."""
    if request.param == "claude":
        own_engines_down(platform)
    yield request.param


def own_engines_down(platform: Platform) -> None:
    platform.primary.script(status=503)
    platform.second.script(reset=True)


def engine(platform: Platform, answering: str) -> Any:
    return platform.primary if answering == "primary" else platform.claude


def numbered(count: int) -> str:
    return " ".join(f"fake engine token {number}" for number in range(1, count + 1))


def ask(platform: Platform, key: Key, **fields: Any) -> httpx.Response:
    payload = {"model": MODEL, "input": QUESTION, "max_output_tokens": 8, **fields}
    return platform.post("/v1/responses", api_key=key.secret, json=payload)


def events_of(answer: httpx.Response) -> list[Any]:
    """Each checked as the official client types it, and numbered without a gap."""
    assert answer.headers["content-type"].startswith("text/event-stream"), answer.text
    events = []
    for frame in answer.text.removesuffix("\n\n").split("\n\n"):
        kind, data = frame.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert kind == f"event: {event['type']}"
        EVENT.validate_python(event)
        assert event["sequence_number"] == len(events)
        events.append(event)
    return events


def text_of(events: list[Any]) -> str:
    return "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")


def bill(desk: Desk, key: Key, *, requests: int = 1) -> RequestRow:
    """The last request; every sum is checked."""
    rows = desk.bill(key, requests=requests).requests
    for row in rows:
        read = (row.input_tokens - row.cached_input_tokens) * INPUT_PRICE + row.cached_input_tokens * CACHED_PRICE
        assert row.cost == read + row.output_tokens * OUTPUT_PRICE
        assert row.endpoint == "responses"
    return rows[0]


def test_a_whole_response(platform: Platform, desk: Desk, key: Key, client: openai.OpenAI, answering: str) -> None:
    engine(platform, answering).script(cached_tokens=3, output_tokens=5)
    answer = client.responses.create(
        model=MODEL,
        input=QUESTION,
        max_output_tokens=8,
        metadata={"purpose": "test"},
        temperature=0.5,
        safety_identifier="somebody",
    )
    response = Response.model_validate(answer.model_dump(), strict=False)

    assert response.output_text == numbered(5)
    assert (response.status, response.model, response.error) == ("completed", MODEL, None)
    assert (response.metadata, response.temperature, response.store) == ({"purpose": "test"}, 0.5, True)
    assert response.id.startswith("resp_")
    assert response.usage
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (8, 5, 13)
    assert response.usage.input_tokens_details.cached_tokens == 3
    row = bill(desk, key)
    assert (row.outcome, row.deployment) == ("completed", MOVED[answering])
    assert (row.input_tokens, row.cached_input_tokens, row.output_tokens, row.estimated) == (8, 3, 5, False)


def test_what_an_engine_is_sent_is_not_what_is_ours(platform: Platform, client: openai.OpenAI) -> None:
    client.responses.create(
        model=MODEL,
        input=QUESTION,
        instructions="Be brief.",
        metadata={"purpose": "test"},
        user="somebody",
        prompt_cache_key="k",
        service_tier="auto",
        include=["message.output_text.logprobs", "reasoning.encrypted_content"],
        extra_body={"top_k": 5},
    )
    (entry,) = platform.primary.log()
    assert entry["path"] == "/v1/responses"
    assert entry["body"] == {
        "model": MODEL,
        "input": QUESTION,
        "instructions": "Be brief.",
        "include": ["message.output_text.logprobs"],
        "max_output_tokens": 64,  # the model's own limit, for the caller gave none
        "top_k": 5,
        "store": False,
    }


def test_a_streamed_response(platform: Platform, desk: Desk, key: Key, answering: str) -> None:
    engine(platform, answering).script(cached_tokens=3, output_tokens=5)
    events = events_of(ask(platform, key, stream=True))

    assert [event["type"].removeprefix("response.") for event in events] == [
        *("created", "in_progress", "output_item.added", "content_part.added"),
        *["output_text.delta"] * 5,
        *("output_text.done", "content_part.done", "output_item.done", "completed"),
    ]
    assert text_of(events) == numbered(5)
    first, last = events[0]["response"], events[-1]["response"]
    assert first["id"] == events[1]["response"]["id"] == last["id"]
    assert (first["status"], first["output"], first["usage"]) == ("in_progress", [], None)
    assert (last["status"], last["model"], last["usage"]["output_tokens"]) == ("completed", MODEL, 5)
    assert last["output"][0]["content"][0]["text"] == numbered(5)
    row = bill(desk, key)
    assert (row.outcome, row.deployment, row.streamed) == ("completed", MOVED[answering], True)
    assert (row.input_tokens, row.cached_input_tokens, row.output_tokens) == (8, 3, 5)


def test_a_response_that_reached_its_limit_says_so(platform: Platform, desk: Desk, key: Key, answering: str) -> None:
    whole = ask(platform, key).json()
    events = events_of(ask(platform, key, stream=True))

    assert events[-1]["type"] == "response.incomplete"  # vLLM calls it completed
    for response in (whole, events[-1]["response"]):
        assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert bill(desk, key, requests=2).output_tokens == 8


def test_the_clients_own_stream(desk: Desk, key: Key, client: openai.OpenAI, answering: str) -> None:
    with client.responses.stream(model=MODEL, input=QUESTION) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    plain = list(client.responses.create(model=MODEL, input=QUESTION, stream=True))

    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert final.output_text == numbered(16)
    assert plain[-1].type == "response.completed"
    assert client.responses.retrieve(final.id).output_text == final.output_text
    assert bill(desk, key, requests=2).output_tokens == 16  # to read what was made costs nothing


def test_tools_are_called_and_told_what_they_returned(
    platform: Platform, desk: Desk, key: Key, client: openai.OpenAI, answering: str
) -> None:
    engine(platform, answering).script(tool_call="look_up", times=1)
    asked: list[Any] = [{"role": "user", "content": QUESTION}]
    answer = client.responses.create(model=MODEL, input=asked, tools=[TOOL], tool_choice="required")
    (call,) = answer.output
    assert call.type == "function_call"
    assert (call.name, json.loads(call.arguments)) == ("look_up", {"word": "fake engine"})

    asked += answer.output
    asked.append({"type": "function_call_output", "call_id": call.call_id, "output": "It is round."})
    final = client.responses.create(model=MODEL, input=asked, tools=[TOOL])
    assert final.output_text == numbered(16)

    sent = engine(platform, answering).log()[-1]["body"]
    if answering == "primary":
        kinds = [item["type"] for item in sent["input"]]
        assert kinds == ["message", "function_call", "function_call_output"]
        assert (sent["input"][1]["call_id"], sent["input"][2]["output"]) == (call.call_id, "It is round.")
    else:
        used, result = sent["messages"][1]["content"][0], sent["messages"][2]["content"][0]
        assert (used["type"], used["id"], used["input"]) == ("tool_use", call.call_id, {"word": "fake engine"})
        assert (result["type"], result["tool_use_id"]) == ("tool_result", call.call_id)
    assert bill(desk, key, requests=2).output_tokens == 16


def test_tools_are_called_in_a_stream(platform: Platform, desk: Desk, key: Key, answering: str) -> None:
    engine(platform, answering).script(tool_call="look_up", times=1)
    events = events_of(ask(platform, key, stream=True, tools=[TOOL]))
    deltas = [event["delta"] for event in events if event["type"] == "response.function_call_arguments.delta"]
    (done,) = [event for event in events if event["type"] == "response.function_call_arguments.done"]
    (call,) = events[-1]["response"]["output"]

    assert json.loads("".join(deltas)) == json.loads(done["arguments"]) == {"word": "fake engine"}
    assert (done["name"], call["name"], call["status"]) == ("look_up", "look_up", "completed")
    assert events[-1]["response"]["tools"] == [TOOL]
    assert bill(desk, key).output_tokens == 1


def test_structured_output(desk: Desk, key: Key, client: openai.OpenAI) -> None:
    parsed = client.responses.parse(model=MODEL, input=QUESTION, text_format=Weather)
    assert parsed.output_parsed == Weather(city="fake engine", degrees=0)
    assert parsed.usage
    assert bill(desk, key).output_tokens == parsed.usage.output_tokens


def test_structured_output_is_asked_of_claude(platform: Platform, client: openai.OpenAI) -> None:
    own_engines_down(platform)
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    text: Any = {"format": {"type": "json_schema", "name": "a", "schema": schema, "strict": True}}
    answer = client.responses.create(model=MODEL, input=QUESTION, text=text)
    assert answer.text
    assert answer.text.model_dump(by_alias=True, exclude_none=True)["format"]["schema"] == schema
    assert "schema" in json.dumps(platform.claude.log()[-1]["body"])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_conversation_is_told_to_the_engine(
    platform: Platform, desk: Desk, key: Key, client: openai.OpenAI, stream: bool, answering: str
) -> None:
    first = asked(client, stream, input=QUESTION, instructions="Be brief.", max_output_tokens=2)
    second = asked(client, stream, input="And the sun?", previous_response_id=first.id, max_output_tokens=2)
    third = asked(client, stream, input=[{"role": "user", "content": "Why?"}], previous_response_id=second.id)

    assert (second.previous_response_id, third.previous_response_id) == (first.id, second.id)
    sent = engine(platform, answering).log()[-1]["body"]
    if answering == "primary":
        assert "previous_response_id" not in sent
        assert "instructions" not in sent  # they were the first request's own
        told = [(item["role"], item["content"][0]["text"]) for item in sent["input"]]
    else:
        told = [(message["role"], message["content"][0]["text"]) for message in sent["messages"]]
    assert told == [
        ("user", QUESTION),
        ("assistant", numbered(2)),
        ("user", "And the sun?"),
        ("assistant", numbered(2)),
        ("user", "Why?"),
    ]
    row = bill(desk, key, requests=3)
    assert row.input_tokens == 5 + 8 + 3 + 8 + 1 + 5 * 3


def asked(client: openai.OpenAI, stream: bool, **fields: Any) -> Response:
    if not stream:
        return client.responses.create(model=MODEL, **fields)
    last = list(client.responses.create(model=MODEL, stream=True, **fields))[-1]
    assert last.type in ("response.completed", "response.incomplete")
    return last.response


def test_what_is_kept_can_be_read_and_deleted(client: openai.OpenAI) -> None:
    made = client.responses.create(
        model=MODEL,
        input=[
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "input_text", "text": QUESTION}]},
            {
                "role": "user",
                "content": [{"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"}],
            },
        ],
    )
    assert client.responses.retrieve(made.id) == made

    page = client.responses.input_items.list(made.id, order="asc", limit=2)
    ResponseItemList.model_validate(page.model_dump() | {"object": "list"})
    rest = client.responses.input_items.list(made.id, order="asc", after=page.data[-1].id)
    texts = [item.content[0].to_dict() for item in (*page.data, *rest.data)]
    assert texts == [
        {"type": "input_text", "text": "Be brief."},
        {"type": "input_text", "text": QUESTION},
        {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"},
    ]
    assert (page.has_more, rest.has_more) == (True, False)
    newest = client.responses.input_items.list(made.id)
    assert [item.id for item in newest] == [item.id for item in (*page.data, *rest.data)][::-1]

    with pytest.raises(openai.BadRequestError, match="background"):
        client.responses.cancel(made.id)
    client.responses.delete(made.id)
    for call in (client.responses.retrieve, client.responses.delete, client.responses.cancel):
        with pytest.raises(openai.NotFoundError):
            call(made.id)
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model=MODEL, input="Go on.", previous_response_id=made.id)
    assert (refused.value.code, refused.value.param) == ("previous_response_not_found", "previous_response_id")


def test_what_is_not_to_be_kept_is_not(client: openai.OpenAI) -> None:
    made = client.responses.create(model=MODEL, input=QUESTION, store=False)
    assert made.store is False  # type: ignore[attr-defined]
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_others_and_absent_ones_are_equally_absent(platform: Platform, desk: Desk, client: openai.OpenAI) -> None:
    mine = client.responses.create(model=MODEL, input=QUESTION).id
    stranger = desk.key(account=desk.call(make_account, "Responses Stranger"))
    told = []
    for public_id in (mine, "resp_" + "0" * 48, "resp_%00", "a" * 300):
        for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/input_items"), ("POST", "/cancel")):
            answer = httpx.request(
                method,
                f"{platform.base_url}/v1/responses/{public_id}{path}",
                headers={"Authorization": f"Bearer {stranger.secret}"},
            )
            told.append((answer.status_code, answer.json()["error"]["code"]))
    assert set(told) == {(404, "response_not_found")}
    refused = [
        ask(platform, stranger, previous_response_id=public_id).json()["error"]["code"]
        for public_id in (mine, "resp_" + "0" * 48)
    ]
    assert refused == ["previous_response_not_found"] * 2
    assert client.responses.retrieve(mine).id == mine


def test_a_key_for_other_endpoints_reads_nothing(platform: Platform, desk: Desk, client: openai.OpenAI) -> None:
    made = client.responses.create(model=MODEL, input=QUESTION).id
    other = platform.client(desk.key(allowed_endpoints=("chat.completions",)).secret)
    with pytest.raises(openai.PermissionDeniedError):
        other.responses.retrieve(made)
    with pytest.raises(openai.PermissionDeniedError):
        other.responses.create(model=MODEL, input=QUESTION)


def test_an_engine_without_responses_is_passed_over(platform: Platform, desk: Desk, key: Key) -> None:
    platform.primary.script(status=404, body={"detail": "Not Found"})
    answer = ask(platform, key)
    assert answer.headers["x-artemis-deployment"] == "moon-b"
    assert bill(desk, key).deployment == "moon-b"


BREAKS: dict[str, tuple[str, dict[str, Any]]] = {
    "cut": ("primary", {"cut_after": 6}),
    "stalled": ("primary", {"stall_after": 6}),
    "garbled": ("primary", {"malformed_after": 6}),
    "an error event": ("primary", {"error_after": 6}),
    "Claude's, cut": ("claude", {"cut_after": 6}),
    "Claude's, cut before its end": ("claude", {"cut_after": 11}),
    "Claude's error event": ("claude", {"error_after": 6}),
}


@pytest.mark.parametrize(("answering", "fault"), BREAKS.values(), ids=BREAKS.keys(), indirect=["answering"])
def test_a_stream_that_breaks_ends_in_an_error(
    platform: Platform, desk: Desk, key: Key, fault: dict[str, Any], answering: str
) -> None:
    """Where nobody is left to go on with it."""
    engine(platform, answering).script(**fault, times=1)
    own_engines_down(platform)
    platform.claude.script(status=529)
    events = events_of(ask(platform, key, stream=True))
    kinds = [event["type"] for event in events]

    assert kinds[-1] == "error"
    assert (events[-1]["code"], kinds.count("error")) == ("engine_failed", 1)
    assert not {"response.completed", "response.incomplete"} & set(kinds)
    assert numbered(8).startswith(text_of(events))
    assert platform.client(key.secret).models.list()
    row = desk.bill(key, requests=1).requests[0]
    assert (row.outcome, row.error_code, row.estimated) == ("failed", "engine_failed", True)
    assert row.cost == row.input_tokens * INPUT_PRICE + row.output_tokens * OUTPUT_PRICE
    found = httpx.get(
        f"{platform.base_url}/v1/responses/{events[0]['response']['id']}",
        headers={"Authorization": f"Bearer {key.secret}"},
    )
    assert found.status_code == 404


def test_the_client_raises_what_broke(platform: Platform, client: openai.OpenAI) -> None:
    platform.primary.script(cut_after=6, times=1)
    own_engines_down(platform)
    platform.claude.script(status=529)
    kinds = [event.type for event in client.responses.create(model=MODEL, input=QUESTION, stream=True)]
    assert kinds[-1] == "error"


def test_without_a_count_it_is_estimated(platform: Platform, desk: Desk, key: Key) -> None:
    platform.primary.script(omit_usage=True)
    events = events_of(ask(platform, key, stream=True))
    assert events[-1]["response"]["usage"] is None
    row = bill(desk, key)
    assert (row.output_tokens, row.estimated) == (8, True)


def test_a_caller_who_hangs_up_frees_the_engine(platform: Platform, desk: Desk, key: Key, answering: str) -> None:
    engine(platform, answering).script(output_tokens=60, tokens_per_second=10)
    client = platform.client(key.secret)
    stream = client.responses.create(model=MODEL, input=QUESTION, stream=True)
    for event in stream:
        if event.type == "response.output_text.delta":
            break
    stream.close()
    engine(platform, answering).wait_log(lambda entry: entry["disconnected"])
    row = desk.bill(key, requests=1).requests[0]
    assert (row.outcome, row.estimated) == ("cancelled", True)


def postgres_processes(platform: Platform) -> list[int]:
    (postmaster,) = [int(path.read_text().split()[0]) for path in platform.home.glob("**/postmaster.pid")]
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    return [postmaster, *map(int, children)]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_database_that_is_away_does_not_spoil_an_answer(
    platform: Platform, desk: Desk, key: Key, client: openai.OpenAI, stream: bool
) -> None:
    desk.call(renew_catalog)
    with ThreadPoolExecutor(8) as pool:  # so that each of the gateway's processes has read key and catalog just now
        warm = list(pool.map(lambda _: ask(platform, key, store=False), range(WARM)))
    assert {answer.status_code for answer in warm} == {200}, [answer.text for answer in warm]
    stopped = postgres_processes(platform)
    for process in stopped:
        os.kill(process, signal.SIGSTOP)
    try:
        began = time.monotonic()
        answer = ask(platform, key, stream=stream)
        assert time.monotonic() - began < 5
    finally:
        for process in stopped:
            os.kill(process, signal.SIGCONT)
    response = events_of(answer)[-1]["response"] if stream else answer.json()
    assert (response["status"], response["store"]) == ("incomplete", False)
    assert bill(desk, key, requests=WARM + 1).output_tokens == 8
    made = client.responses.create(model=MODEL, input=QUESTION)
    assert client.responses.retrieve(made.id) == made


def test_a_model_without_fallback_says_that_it_is_away(platform: Platform, key: Key) -> None:
    platform.primary.script(status=503)
    answer = ask(platform, key, model=SMALL_MODEL)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "model_unavailable")


def test_what_an_engine_refuses_is_the_callers_fault(platform: Platform, key: Key) -> None:
    platform.primary.script(error="context_length")
    answer = ask(platform, key)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "context_length_exceeded", "input")


def test_claude_by_its_own_name(platform: Platform, key: Key) -> None:
    answer = ask(platform, key, model=CLAUDE).json()
    assert (answer["model"], answer["output"][0]["content"][0]["text"]) == (CLAUDE, numbered(8))


MESSAGE = {"role": "user", "content": "Hello"}
BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "no input": ({"input": None}, "invalid_value", "input"),
    "an empty list": ({"input": []}, "invalid_value", "input"),
    "a number": ({"input": 5}, "invalid_value", "input"),
    "a number among items": ({"input": [5]}, "invalid_value", "input[0]"),
    "an item without kind": ({"input": [{}]}, "missing_required_parameter", "input[0].type"),
    "an item of another kind": (
        {"input": [{"type": "item_reference", "id": "msg_1"}]},
        "invalid_value",
        "input[0].type",
    ),
    "an unknown role": ({"input": [{"role": "tool", "content": "x"}]}, "invalid_value", "input[0].role"),
    "an unknown field": ({"chat_template": "x"}, "unknown_parameter", "chat_template"),
    "chat's messages": ({"messages": [MESSAGE]}, "unknown_parameter", "messages"),
    "an unknown field in an item": ({"input": [MESSAGE | {"x": 1}]}, "unknown_parameter", "input[0].x"),
    "LiteLLM's own field": ({"api_base": "http://127.0.0.1"}, "unknown_parameter", "api_base"),
    "a picture elsewhere": (
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "http://169.254.169.254/"}]}]},
        "invalid_value",
        "input[0].content[0].image_url",
    ),
    "a file": (
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file_1"}]}]},
        "invalid_value",
        "input[0].content[0].type",
    ),
    "a hosted tool": ({"tools": [{"type": "web_search"}]}, "invalid_value", "tools[0].type"),
    "a hosted tool chosen": ({"tool_choice": {"type": "web_search"}}, "invalid_value", "tool_choice.type"),
    "a tool without name": ({"tools": [{"type": "function"}]}, "missing_required_parameter", "tools[0].name"),
    "in the background, by a word": ({"background": "yes"}, "invalid_value", "background"),
    "in the background, not kept": ({"background": True, "store": False}, "invalid_value", "store"),
    "in the background, streamed": ({"background": True, "stream": True}, "invalid_value", "stream"),
    "in the background, after nobody's": (
        {"background": True, "previous_response_id": "resp_1"},
        "previous_response_not_found",
        "previous_response_id",
    ),
    "in the background, too hot": ({"background": True, "temperature": 3}, "invalid_value", "temperature"),
    "a conversation": ({"conversation": "conv_1"}, "unknown_parameter", "conversation"),
    "no limit": ({"max_output_tokens": 0}, "invalid_value", "max_output_tokens"),
    "a truth value for a number": ({"max_output_tokens": True}, "invalid_value", "max_output_tokens"),
    "a schema without name": (
        {"text": {"format": {"type": "json_schema", "schema": {}}}},
        "missing_required_parameter",
        "text.format.name",
    ),
    "stream options without a stream": ({"stream_options": {}}, "invalid_value", "stream_options"),
    "an id that nobody has": (
        {"previous_response_id": "resp_1"},
        "previous_response_not_found",
        "previous_response_id",
    ),
    "too much metadata": ({"metadata": {str(n): "x" for n in range(17)}}, "invalid_value", "metadata"),
    "an unknown include": ({"include": ["computer_call_output.output.image_url"]}, "invalid_value", "include[0]"),
    "temperature": ({"temperature": 3}, "invalid_value", "temperature"),
}


@pytest.mark.parametrize(("fields", "code", "param"), BAD.values(), ids=BAD.keys())
def test_bad_input(platform: Platform, key: Key, fields: dict[str, Any], code: str, param: str) -> None:
    answer = ask(platform, key, **fields)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["code"], error["param"]) == (
        *(400, "invalid_request_error"),
        *(code, param),
    )
    assert not platform.primary.log()


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("?stream=true", "stream"),
        ("/input_items?limit=0", "limit"),
        ("/input_items?limit=101", "limit"),
        ("/input_items?limit=%C2%B2", "limit"),
        ("/input_items?order=up", "order"),
        ("/input_items?after=msg_0", "after"),
    ],
)
def test_bad_queries(platform: Platform, key: Key, client: openai.OpenAI, path: str, param: str) -> None:
    made = client.responses.create(model=MODEL, input=QUESTION).id
    headers = {"Authorization": f"Bearer {key.secret}"}
    answer = httpx.get(f"{platform.base_url}/v1/responses/{made}{path}", headers=headers)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
