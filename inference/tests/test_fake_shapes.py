"""The fake engine's answers are what OpenAI's own client and models expect, and plainly a fake's."""

import base64
import contextlib
import json
import struct
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai.types import Completion, CreateEmbeddingResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from inference.fake.control import FakeServer

HELLO: list[Any] = [{"role": "user", "content": "hello there"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture
def client(fake: FakeServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{fake.base_url}/v1", api_key="sk-secret-1234", max_retries=0) as client:
        yield client


def test_chat(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="m", messages=HELLO, max_tokens=2)
    ChatCompletion.model_validate(answer.model_dump(), strict=False)
    assert answer.choices[0].message.content == "fake engine token 1 fake engine token 2"
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (5, 2)


def test_chat_streamed_equals_chat(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="m", messages=HELLO).choices[0]
    with client.chat.completions.create(model="m", messages=HELLO, stream=True) as stream:
        chunks = [ChatCompletionChunk.model_validate(chunk.model_dump()) for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole.message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * 16 + ["stop"]
    assert len({chunk.id for chunk in chunks}) == 1
    assert all(chunk.usage is None for chunk in chunks)


def test_usage_in_streams(client: openai.OpenAI, fake: FakeServer) -> None:
    fake.script(cached_tokens=4, output_tokens=3)
    options: Any = {"include_usage": True, "continuous_usage_stats": True}
    with client.chat.completions.create(model="m", messages=HELLO, stream=True, stream_options=options) as s:
        chunks = list(s)
    usages = [chunk.usage for chunk in chunks if chunk.usage]
    assert [usage.completion_tokens for usage in usages] == [0, 1, 2, 3, 3]
    assert chunks[-1].choices == []
    details = usages[-1].prompt_tokens_details
    assert details is not None
    assert details.cached_tokens == 4


def test_several_choices(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="m", messages=HELLO, n=3, max_tokens=2)
    assert [choice.index for choice in whole.choices] == [0, 1, 2]
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 6
    with client.chat.completions.create(model="m", messages=HELLO, n=2, max_tokens=2, stream=True) as stream:
        indices = [chunk.choices[0].index for chunk in stream]
    assert indices == [0, 1] * 3


def test_logprobs(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="m", messages=HELLO, logprobs=True, top_logprobs=3, max_tokens=2)
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert [len(token.top_logprobs) for token in logprobs.content or []] == [3, 3]


def test_tool_calls_when_the_script_says_so(client: openai.OpenAI, fake: FakeServer) -> None:
    tools: Any = [WEATHER]
    plain = client.chat.completions.create(model="m", messages=HELLO, tools=tools)
    assert plain.choices[0].message.tool_calls is None
    fake.script(tool_call="weather")
    called = client.chat.completions.create(model="m", messages=HELLO, tools=tools)
    call: Any = (called.choices[0].message.tool_calls or [])[0]
    assert called.choices[0].finish_reason == "tool_calls"
    assert json.loads(call.function.arguments) == {"city": "fake engine"}
    with client.chat.completions.create(model="m", messages=HELLO, tools=tools, stream=True) as stream:
        deltas = [chunk.choices[0].delta for chunk in stream]
    pieces = [(delta.tool_calls or [])[0].function for delta in deltas if delta.tool_calls]
    assert "".join(piece.arguments or "" for piece in pieces if piece) == call.function.arguments


def test_json_schema(client: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {
            "kind": {"enum": ["a", "b"]},
            "many": {"type": "array", "items": {"$ref": "#/$defs/n"}, "minItems": 2},
        },
        "required": ["kind", "many"],
        "$defs": {"n": {"type": "integer", "minimum": 7}},
    }
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    answer = client.chat.completions.create(model="m", messages=HELLO, response_format=wanted)
    assert json.loads(answer.choices[0].message.content or "") == {"kind": "a", "many": [7, 7]}


def test_completions(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="m", prompt="one two", max_tokens=2, logprobs=1)
    Completion.model_validate(answer.model_dump())
    assert answer.choices[0].text == "fake engine token 1 fake engine token 2"
    with client.completions.create(model="m", prompt="one two", max_tokens=2, stream=True) as stream:
        assert "".join(chunk.choices[0].text for chunk in stream) == answer.choices[0].text


def test_an_answer_begun_elsewhere_is_continued(client: openai.OpenAI, fake: FakeServer) -> None:
    fake.script(output_tokens=4)
    begun: list[Any] = [*HELLO, {"role": "assistant", "content": "fake engine token 1 fake engine token 2"}]
    extra = {"continue_final_message": True, "add_generation_prompt": False}
    answer = client.chat.completions.create(model="m", messages=begun, extra_body=extra)
    assert answer.choices[0].message.content == " fake engine token 3 fake engine token 4"


def test_embeddings(client: openai.OpenAI, fake: FakeServer) -> None:
    answer = client.embeddings.create(model="m", input=["one", "two words"], encoding_format="float")
    CreateEmbeddingResponse.model_validate(answer.model_dump())
    assert [len(row.embedding) for row in answer.data] == [384, 384]
    assert answer.usage.prompt_tokens == 3
    body = {"model": "m", "input": "one", "encoding_format": "base64"}
    packed = json.loads(fake.post("/v1/embeddings", body))["data"][0]["embedding"]
    assert struct.unpack("<384f", base64.b64decode(packed)) == pytest.approx(answer.data[0].embedding)


def test_rerank(fake: FakeServer) -> None:
    body = {"model": "m", "query": "red fox", "documents": ["a blue whale", "a red fox", "red"], "top_n": 2}
    results = json.loads(fake.post("/v1/rerank", body))["results"]
    assert [one["index"] for one in results] == [1, 2]


def test_messages_as_anthropic_says_them(fake: FakeServer) -> None:
    fake.script(cached_tokens=2)
    body = {"model": "claude-haiku-4-5", "max_tokens": 2, "messages": HELLO}
    whole = json.loads(fake.post("/v1/messages", body))
    assert whole["content"] == [{"type": "text", "text": "fake engine token 1 fake engine token 2"}]
    assert whole["stop_reason"] == "max_tokens"
    assert (whole["usage"]["input_tokens"], whole["usage"]["cache_read_input_tokens"]) == (3, 2)
    streamed = fake.post("/v1/messages", {**body, "stream": True}).decode()
    events = [block.split("\n") for block in streamed.strip().split("\n\n")]
    kinds = [lines[0].removeprefix("event: ") for lines in events]
    assert kinds == [
        *("message_start", "content_block_start", "ping"),
        *["content_block_delta"] * 2,
        *("content_block_stop", "message_delta", "message_stop"),
    ]
    datas = [json.loads(lines[1].removeprefix("data: ")) for lines in events]
    assert [data["type"] for data in datas] == kinds
    assert datas[-2]["usage"]["output_tokens"] == 2
    assert json.loads(fake.post("/v1/messages/count_tokens", body)) == {"input_tokens": 5}


RESPONSE_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
CITY_TOOL: Any = {"type": "function", **WEATHER["function"], "strict": True}


def responses_events(fake: FakeServer, **fields: Any) -> list[Any]:
    """As they came, each checked by its kind. vLLM's counts have no `cache_write_tokens`, which OpenAI's have."""
    streamed = fake.post("/v1/responses", {"model": "m", "input": "hello there", "stream": True, **fields}).decode()
    frames = [frame.split("\n") for frame in streamed.strip().split("\n\n")]
    events = [json.loads(lines[1].removeprefix("data: ")) for lines in frames]
    assert [lines[0].removeprefix("event: ") for lines in frames] == [event["type"] for event in events]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    for event in events:
        usage = event.get("response", {}).get("usage")
        if usage:
            usage["input_tokens_details"]["cache_write_tokens"] = 0
        RESPONSE_EVENT.validate_python(event)
    return events


def test_responses(client: openai.OpenAI, fake: FakeServer) -> None:
    fake.script(cached_tokens=2)
    answer = client.responses.create(model="m", input="hello there", instructions="Be nice.", max_output_tokens=2)
    assert answer.output_text == "fake engine token 1 fake engine token 2"
    assert (answer.status, answer.incomplete_details and answer.incomplete_details.reason) == (
        *("incomplete", "max_output_tokens"),
    )
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (10, 2)
    assert answer.usage.input_tokens_details.cached_tokens == 2


def test_responses_streamed(fake: FakeServer) -> None:
    events = responses_events(fake, max_output_tokens=2)
    assert [event["type"].removeprefix("response.") for event in events] == [
        *("created", "in_progress", "output_item.added", "content_part.added"),
        *["output_text.delta"] * 2,
        *("output_text.done", "content_part.done", "output_item.done", "completed"),
    ]
    assert events[-1]["response"]["status"] == "incomplete"  # as vLLM has it: under the name of a completed one
    assert events[-1]["response"]["output"][0] == events[-2]["item"]


def test_responses_call_tools_and_read_what_they_returned(fake: FakeServer) -> None:
    fake.script(tool_call="weather", times=1)
    events = responses_events(fake, tools=[CITY_TOOL])
    (call,) = events[-1]["response"]["output"]
    pieces = [event["delta"] for event in events if event["type"] == "response.function_call_arguments.delta"]
    assert json.loads("".join(pieces)) == json.loads(call["arguments"]) == {"city": "fake engine"}

    returned = {"type": "function_call_output", "call_id": call["call_id"], "output": "rain and wind"}
    items = [{"role": "user", "content": "hello there"}, call, returned]
    answer = json.loads(fake.post("/v1/responses", {"model": "m", "input": items}))
    assert answer["usage"]["input_tokens"] == 2 + 3 + 3 + 3 * 3


def test_responses_in_a_schema(fake: FakeServer) -> None:
    schema = {"type": "object", "properties": {"kind": {"enum": ["a"]}}, "required": ["kind"]}
    wanted = {"format": {"type": "json_schema", "name": "x", "schema": schema}}
    answer = json.loads(fake.post("/v1/responses", {"model": "m", "input": "hello", "text": wanted}))
    assert json.loads(answer["output"][0]["content"][0]["text"]) == {"kind": "a"}


@pytest.mark.parametrize(
    ("fault", "last"),
    [
        ({"cut_after": 5}, "response.output_text.delta"),
        ({"error_after": 5}, "error"),
    ],
)
def test_responses_that_break_off(fake: FakeServer, fault: dict[str, Any], last: str) -> None:
    fake.script(match="hello", **fault)
    lines: list[str] = []
    with (
        contextlib.suppress(httpx.RemoteProtocolError),
        httpx.stream(
            "POST",
            f"{fake.base_url}/v1/responses",
            json={"model": "m", "input": [{"role": "user", "content": "hello"}], "stream": True},
        ) as stream,
    ):
        lines += stream.iter_lines()
    assert [line for line in lines if line.startswith("event: ")][-1] == f"event: {last}"


def test_the_model_card_says_what_it_is(client: openai.OpenAI) -> None:
    card = Model.model_validate(client.models.list().data[0].model_dump())
    assert card.owned_by == "artemis-fake"


def test_log_counters_and_metrics(client: openai.OpenAI, fake: FakeServer) -> None:
    client.chat.completions.create(model="m", messages=HELLO, max_tokens=2)
    entry = fake.log()[0]
    assert entry["body"]["messages"] == HELLO
    assert entry["headers"]["authorization"] == "…1234"
    assert (entry["generated_tokens"], entry["delivered_tokens"], entry["disconnected"]) == (2, 2, False)
    assert fake.counters()["prompt_tokens"] == 5
    assert fake.counters()["completion_tokens"] == 2
    page = fake.get("/metrics").decode()
    assert 'vllm:generation_tokens_total{engine="0",model_name="fake-model"} 2.0' in page
    for name in (
        "num_requests_running",
        "num_requests_waiting",
        "kv_cache_usage_perc",
        "prefix_cache_hits_total",
    ):
        assert f"vllm:{name}" in page
    fake.set_metrics(kv_cache_usage_perc=0.97)
    assert 'kv_cache_usage_perc{engine="0",model_name="fake-model"} 0.97' in fake.get("/metrics").decode()


def test_served_names_and_key() -> None:
    with FakeServer("--model", "only", "--api-key", "k", "--max-model-len", "6") as strict:
        url = f"{strict.base_url}/v1/chat/completions"
        headers = {"Authorization": "Bearer k"}
        assert httpx.post(url, json={"model": "only", "messages": HELLO}).status_code == 401
        other = httpx.post(url, json={"model": "other", "messages": HELLO}, headers=headers)
        assert (other.status_code, other.json()["error"]["type"]) == (404, "NotFoundError")
        assert httpx.post(url, json={"model": "only", "messages": HELLO}, headers=headers).status_code == 200
        long = [{"role": "user", "content": "far too many words"}]
        refused = httpx.post(url, json={"model": "only", "messages": long}, headers=headers)
        assert refused.status_code == 400
        assert "maximum context length is 6 tokens" in refused.json()["error"]["message"]
