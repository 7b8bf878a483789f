"""Every answer is what the official clients' own models say, strictly: nothing missing, of no wrong type, nothing more.

From an engine, from Claude through LiteLLM, from llama.cpp's like, and where one goes on for another.
"""

import base64
import json
import struct
from collections.abc import Iterable, Iterator
from typing import Any

import anthropic.types
import httpx
import pytest
from openai.types import Completion, CreateEmbeddingResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from artemis_site.tests.messages import load_engine
from artemis_site.tests.platform import CLAUDE, EMBEDDING_MODEL, MODEL, SMALL_MODEL, Platform

HELLO = [{"role": "user", "content": "Hello"}]
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
LLAMA = "llama-like"
WHO: dict[str, str] = {"engine": MODEL, "claude": CLAUDE, "llama.cpp": LLAMA}
CHAT: dict[str, dict[str, Any]] = {
    "plain": {},
    "tools": {"tools": [{"type": "function", "function": {"name": "weather", "parameters": CITY}}]},
    "schema": {"response_format": {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY}}},
}
RESPONSE: dict[str, dict[str, Any]] = {
    "plain": {},
    "tools": {"tools": [{"type": "function", "name": "weather", "parameters": CITY, "strict": True}]},
    "schema": {"text": {"format": {"type": "json_schema", "name": "city", "schema": CITY}}},
}
# What is said beyond what the clients know: by us (who went on with an answer; what a model is and costs), by OpenAI
# itself, whose clients lag behind, and by vLLM.
CONTINUED = {"artemis"}
CARD = {"kind", "context_length", "max_output_tokens", "capabilities", "pricing"}
STORE = {"store", "response.store"}
VECTORS = {"id", "created", "usage.completion_tokens"}
pytestmark = pytest.mark.usefixtures("platform", "llama")


@pytest.fixture(scope="module")
def llama(running_platform: Platform) -> None:
    """A model whose engine has llama.cpp's ways."""
    load_engine(running_platform, LLAMA, one_choice=True)


def post(platform: Platform, path: str, **fields: Any) -> httpx.Response:
    answer = platform.post(path, json=fields)
    assert answer.status_code == 200, answer.text
    return answer


def strictly(kind: Any, value: Any, *, besides: Iterable[str] = ()) -> Any:
    """The value as the client's model; every field of it is one of the model's, or of `besides`."""
    made = TypeAdapter(kind).validate_python(value, strict=True)
    assert set(unknown(made)) <= set(besides)
    return made


def completion_chunk(value: dict[str, Any]) -> Any:
    """The client has one model for whole and streamed completions, and forgot that only the last chunk has an end."""
    choices = [{**choice, "finish_reason": choice["finish_reason"] or "stop"} for choice in value["choices"]]
    return strictly(Completion, {**value, "choices": choices}, besides=CONTINUED)


def unknown(value: Any, where: str = "") -> Iterator[str]:
    """The names of what a model does not know. What is there and empty, engines add for their own clients."""
    if isinstance(value, BaseModel):
        for name, one in (value.model_extra or {}).items():
            if one is not None:
                yield where + name
        for name in type(value).model_fields:
            yield from unknown(getattr(value, name), f"{where}{name}.")
    elif isinstance(value, list):
        for one in value:
            yield from unknown(one, where)


def events(answer: httpx.Response) -> list[Any]:
    """The data of a stream's events, [DONE] left out."""
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    lines = [line.removeprefix("data: ") for line in answer.text.split("\n") if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def all_of(chunks: Iterable[Any], name: str) -> set[Any]:
    return {getattr(chunk, name) for chunk in chunks}


def script(platform: Platform, case: str, *, who: str = "") -> None:
    for engine in (platform.primary, platform.second, platform.claude):
        engine.script(tool_call=case == "tools", output_tokens=6, timings=who == "llama.cpp")


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("case", CHAT)
def test_chat(platform: Platform, who: str, case: str) -> None:
    script(platform, case, who=who)
    asked = {"model": WHO[who], "messages": HELLO, "max_tokens": 50, **CHAT[case]}
    answer = strictly(ChatCompletion, post(platform, "/v1/chat/completions", **asked).json())
    assert answer.model == WHO[who]
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    choice = answer.choices[0]
    assert choice.finish_reason == ("tool_calls" if case == "tools" else "stop")
    assert bool(choice.message.tool_calls) == (case == "tools")

    told = {"stream": True, "stream_options": {"include_usage": True}}
    chunks = [
        strictly(ChatCompletionChunk, event)
        for event in events(post(platform, "/v1/chat/completions", **asked, **told))
    ]
    assert all_of(chunks, "model") == {WHO[who]}
    assert len(all_of(chunks, "id")) == len(all_of(chunks, "created")) == 1
    assert [bool(chunk.choices) for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
    assert chunks[-1].usage.completion_tokens == answer.usage.completion_tokens
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1] if chunk.choices[0].finish_reason] == [
        choice.finish_reason
    ]
    if case != "tools":
        said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1])
        assert said == choice.message.content


@pytest.mark.parametrize("model", [MODEL, LLAMA])
def test_chat_with_choices_and_logprobs(platform: Platform, model: str) -> None:
    asked = {"model": model, "messages": HELLO, "max_tokens": 3, "n": 2, "logprobs": True, "top_logprobs": 2}
    answer = strictly(ChatCompletion, post(platform, "/v1/chat/completions", **asked).json())
    assert [len(choice.logprobs.content) for choice in answer.choices] == [3, 3]
    chunks = [
        strictly(ChatCompletionChunk, event)
        for event in events(post(platform, "/v1/chat/completions", **asked, stream=True))
    ]
    assert {choice.index for chunk in chunks for choice in chunk.choices} == {0, 1}


@pytest.mark.parametrize("model", [SMALL_MODEL, CLAUDE, LLAMA])
def test_completions(platform: Platform, model: str) -> None:
    script(platform, "plain", who="llama.cpp" if model == LLAMA else "engine")
    asked = {"model": model, "prompt": "The moon", "max_tokens": 4, "logprobs": 1}
    whole = strictly(Completion, post(platform, "/v1/completions", **asked).json())
    assert whole.usage.completion_tokens == 4
    told = {"stream": True, "stream_options": {"include_usage": True}}
    chunks = [completion_chunk(event) for event in events(post(platform, "/v1/completions", **asked, **told))]
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == whole.choices[0].text
    assert chunks[-1].usage == whole.usage


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
@pytest.mark.parametrize("elsewhere", ["second", "claude"])
def test_what_was_continued(platform: Platform, path: str, elsewhere: str) -> None:
    prompt = {"messages": HELLO} if "chat" in path else {"prompt": "Hello"}
    platform.primary.script(cut_after=4)
    if elsewhere == "claude":
        platform.second.script(status=503)
    told = {"stream": True, "stream_options": {"include_usage": True}}
    answer = post(platform, path, model=MODEL, max_tokens=8, **prompt, **told)
    chunks = [
        strictly(ChatCompletionChunk, event, besides=CONTINUED) if "chat" in path else completion_chunk(event)
        for event in events(answer)
    ]
    assert answer.text.endswith("data: [DONE]\n\n")
    assert all_of(chunks, "model") == {MODEL}
    assert len(all_of(chunks, "id")) == len(all_of(chunks, "object")) == 1
    assert chunks[-1].usage.completion_tokens == 8
    assert "artemis" in chunks[-2].model_extra


@pytest.mark.parametrize("fields", [{}, {"dimensions": 8}], ids=["usual", "8 dimensions"])
def test_embeddings(platform: Platform, fields: dict[str, Any]) -> None:
    asked = {"model": EMBEDDING_MODEL, "input": ["one", "two"], **fields}
    floats = post(platform, "/v1/embeddings", **asked, encoding_format="float").json()
    made = strictly(CreateEmbeddingResponse, floats, besides=VECTORS)
    assert [len(one.embedding) for one in made.data] == [fields.get("dimensions", 384)] * 2

    texts = post(platform, "/v1/embeddings", **asked, encoding_format="base64").json()
    for one in texts["data"]:
        packed = base64.b64decode(one["embedding"], validate=True)
        one["embedding"] = list(struct.unpack(f"<{len(packed) // 4}f", packed))
    again = strictly(CreateEmbeddingResponse, texts, besides=VECTORS)
    assert again.data[1].embedding == pytest.approx(made.data[1].embedding, abs=1e-6)


def test_models(platform: Platform) -> None:
    headers = {"Authorization": f"Bearer {platform.api_key}"}
    listed = httpx.get(f"{platform.base_url}/v1/models", headers=headers).json()
    assert listed.keys() == {"object", "data"}
    for card in listed["data"]:
        strictly(Model, card, besides=CARD)
        assert httpx.get(f"{platform.base_url}/v1/models/{card['id']}", headers=headers).json() == card


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("case", RESPONSE)
def test_responses(platform: Platform, who: str, case: str) -> None:
    script(platform, case, who=who)
    asked = {"model": WHO[who], "input": "Hello", "max_output_tokens": 50, **RESPONSE[case]}
    whole = strictly(Response, post(platform, "/v1/responses", **asked).json(), besides=STORE)
    assert (whole.model, whole.status) == (WHO[who], "completed")
    kept = httpx.get(
        f"{platform.base_url}/v1/responses/{whole.id}", headers={"Authorization": f"Bearer {platform.api_key}"}
    )
    assert strictly(Response, kept.json(), besides=STORE) == whole

    streamed = post(platform, "/v1/responses", **asked, stream=True)
    told = [strictly(ResponseStreamEvent, event, besides=STORE) for event in events(streamed)]
    assert (told[0].type, told[-1].type) == ("response.created", "response.completed")
    assert told[-1].response.output_text == whole.output_text


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("tools", [False, True], ids=["plain", "tools"])
def test_messages(platform: Platform, who: str, tools: bool) -> None:
    script(platform, "tools" if tools else "plain", who=who)
    asked: dict[str, Any] = {"model": WHO[who], "messages": HELLO, "max_tokens": 50}
    if tools:
        asked["tools"] = [{"name": "weather", "input_schema": CITY}]
    whole = strictly(anthropic.types.Message, post(platform, "/v1/messages", **asked).json())
    assert (whole.model, whole.stop_reason) == (WHO[who], "tool_use" if tools else "end_turn")

    told = events(post(platform, "/v1/messages", **asked, stream=True))
    made = [strictly(anthropic.types.RawMessageStreamEvent, event) for event in told if event["type"] != "ping"]
    assert (made[0].type, made[-1].type) == ("message_start", "message_stop")
    assert made[0].message.model == WHO[who]

    del asked["max_tokens"]
    strictly(anthropic.types.MessageTokensCount, post(platform, "/v1/messages/count_tokens", **asked).json())


class OpenAIError(BaseModel, extra="forbid"):
    """`openai` has no model of it: its client reads these."""

    message: str
    type: str
    param: str | None
    code: str
    request_id: str


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"])
def test_errors(platform: Platform, path: str) -> None:
    for fields in ({}, {"model": "mars"}, {"model": MODEL, "foo": 1}):
        answer = platform.post(path, json=fields)
        assert answer.json().keys() == {"error"}
        strictly(OpenAIError, answer.json()["error"])


def test_anthropics_errors(platform: Platform) -> None:
    for fields in ({}, {"model": "mars"}, {"model": MODEL, "foo": 1}):
        error = TypeAdapter(anthropic.types.ErrorResponse).validate_python(
            platform.post("/v1/messages", json=fields).json(), strict=True
        )
        assert error.type == "error" and error.request_id


def test_an_error_within_a_stream(platform: Platform) -> None:
    for engine in (platform.primary, platform.second, platform.claude):
        engine.script(cut_after=3)
    answer = post(platform, "/v1/chat/completions", model=SMALL_MODEL, messages=HELLO, stream=True, n=2)
    *chunks, last = events(answer)
    for chunk in chunks:
        strictly(ChatCompletionChunk, chunk)
    strictly(OpenAIError, last["error"])
