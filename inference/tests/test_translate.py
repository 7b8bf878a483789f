"""What providers that LiteLLM translates for are sent, their deployment's key above all, and what is made of it."""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from inference.errors import EngineError, EngineRefused
from inference.fake.control import FakeServer
from inference.router import Deployment
from inference.translate import TranslatedUpstream, litellm, open_translated


@pytest.fixture(autouse=True)
async def _closed_connections() -> AsyncIterator[None]:
    """LiteLLM keeps its connections; a test's event loop must not end before they do."""
    yield
    await litellm.close_litellm_async_clients()


def deployment(fake: FakeServer, api_key: str) -> Deployment:
    return Deployment(
        id="claude",
        model_group="claude",
        provider="anthropic",
        upstream_model="claude-haiku-4-5",
        api_base=fake.base_url,
        api_key=api_key,
    )


@pytest.mark.parametrize(("api_key", "sent"), [("", "none"), (" ", "none"), ("sk-its-own", "…-own")])
async def test_the_environments_key_goes_nowhere(
    fake: FakeServer, monkeypatch: pytest.MonkeyPatch, api_key: str, sent: str
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-of-the-house")
    payload = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 2}
    upstream = await open_translated(deployment(fake, api_key), "/chat/completions", payload)
    assert json.loads(await upstream.body())["choices"]
    await upstream.close()

    (entry,) = fake.log()
    assert entry["headers"]["x-api-key"].endswith(sent)
    assert "authorization" not in entry["headers"]


async def test_a_message_is_translated_and_its_request_left_as_it_is(fake: FakeServer) -> None:
    """Another deployment may be asked the same after this one."""
    base = f"{fake.base_url}/v1"
    engine = replace(deployment(fake, ""), provider="hosted_vllm", upstream_model="moon", api_base=base)
    block = {"type": "text", "text": "Hello", "cache_control": {"type": "ephemeral"}}
    payload: dict[str, Any] = {"messages": [{"role": "user", "content": [block]}], "max_tokens": 2}
    before = json.dumps(payload)
    upstream = await open_translated(engine, "/messages", payload)
    answer = json.loads(await upstream.body())
    stream = await open_translated(engine, "/messages", {**payload, "stream": True})
    events = b""
    while part := await stream.read():
        events += part
    await stream.close()

    assert (answer["type"], answer["stop_reason"], answer["usage"]["output_tokens"]) == ("message", "max_tokens", 2)
    assert events.startswith(b"event: message_start\ndata: {")
    assert events.endswith(b'event: message_stop\ndata: {"type": "message_stop"}\n\n')
    assert json.dumps(payload) == before


LOOK_UP = {
    "type": "function",
    "name": "look_up",
    "parameters": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
}
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


async def responses_events(fake: FakeServer, **payload: Any) -> list[Any]:
    """Each event checked as OpenAI's client types it; LiteLLM's whole responses within are ours to complete."""
    whole = {"input": "Hello there", "max_output_tokens": 3, "store": False, "stream": True, **payload}
    upstream = await open_translated(deployment(fake, "k"), "/responses", whole)
    events = []
    while read := await upstream.read():
        kind, data = read.decode().strip().split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert kind == f"event: {event['type']}"
        assert event["sequence_number"] == len(events)
        if "response" not in event:
            EVENT.validate_python(event)
        events.append(event)
    await upstream.close()
    return events


async def test_responses_are_events_that_openais_client_knows(fake: FakeServer) -> None:
    fake.script(cached_tokens=1)
    events = await responses_events(fake)
    kinds = [event["type"].removeprefix("response.") for event in events]
    assert kinds == [
        *("created", "in_progress", "output_item.added", "content_part.added"),
        *["output_text.delta"] * 3,
        *("output_text.done", "content_part.done", "output_item.done", "incomplete"),
    ]
    usage = events[-1]["response"]["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (5, 3)
    assert usage["input_tokens_details"]["cached_tokens"] == 1


async def test_a_function_called_has_its_name(fake: FakeServer) -> None:
    fake.script(tool_call="look_up")
    events = await responses_events(fake, tools=[LOOK_UP])
    done = next(event for event in events if event["type"] == "response.function_call_arguments.done")
    assert (done["name"], json.loads(done["arguments"])) == ("look_up", {"word": "fake engine"})


async def test_what_only_its_engine_can_read_is_not_sent(fake: FakeServer) -> None:
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}
    hello = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}
    await responses_events(fake, input=[hello, thought, hello])
    (entry,) = fake.log()
    assert "hm" not in json.dumps(entry["body"])


@pytest.mark.parametrize(("provider", "sent"), [("hosted_vllm", 5), ("anthropic", None)])
async def test_an_engines_own_parameters_go_to_no_other(fake: FakeServer, provider: str, sent: int | None) -> None:
    asked = dataclasses.replace(deployment(fake, "k"), provider=provider, api_base=f"{fake.base_url}/v1")
    if provider == "anthropic":
        asked = deployment(fake, "k")
    payload = {"input": "Hello", "max_output_tokens": 2, "top_k": 5, "top_logprobs": 2, "truncation": "auto"}
    await (await open_translated(asked, "/responses", payload)).close()
    (entry,) = fake.log()
    assert entry["body"].get("top_k") == sent
    assert not {"top_logprobs", "truncation", "include"} & entry["body"].keys()


async def test_who_leaves_a_translated_stream_ends_it_at_the_provider(fake: FakeServer) -> None:
    fake.script(output_tokens=1000, tokens_per_second=50)
    payload = {"input": "Hello there", "max_output_tokens": 1000, "stream": True}
    upstream = await open_translated(deployment(fake, "k"), "/responses", payload)
    await upstream.read()
    await upstream.close()
    await asyncio.to_thread(fake.wait_log, lambda entry: entry["disconnected"])


PROMPTS = {
    "/chat/completions": {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8},
    "/completions": {"prompt": "Hello", "max_tokens": 8},
    "/responses": {"input": "Hello", "max_output_tokens": 8},
}


async def read_all(upstream: TranslatedUpstream) -> bytes:
    received = b""
    while part := await upstream.read():
        received += part
    return received


@pytest.mark.parametrize("path", PROMPTS)
async def test_a_stream_that_just_stops_does_not_pass_as_whole(fake: FakeServer, path: str) -> None:
    """LiteLLM ends it as if the answer had ended. The same one, left alone, is whole."""
    payload = {**PROMPTS[path], "stream": True}
    upstream = await open_translated(deployment(fake, "k"), path, payload)
    assert b"engine" in await read_all(upstream)
    fake.script(end_after=5)
    upstream = await open_translated(deployment(fake, "k"), path, payload)
    with pytest.raises(EngineError):
        await read_all(upstream)
    await upstream.close()


async def test_a_reranking_is_translated_with_its_count(fake: FakeServer) -> None:
    ranker = Deployment(
        id="jina",
        model_group="jina",
        provider="jina_ai",
        upstream_model="jina-reranker-v3",
        api_base=fake.base_url,
        api_key="sk-its-own",
    )
    upstream = await open_translated(ranker, "/rerank", {"query": "moon", "documents": ["sun", "moon"], "top_n": 1})
    answer = json.loads(await upstream.body())
    await upstream.close()

    assert [one["index"] for one in answer["results"]] == [1]
    assert answer["usage"]["total_tokens"] > 0


async def test_what_cannot_be_walked_through_is_no_failure_of_the_providers(fake: FakeServer) -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(5000):
        schema = {"type": "array", "items": schema}
    tool = {"type": "function", "function": {"name": "look", "parameters": schema}}
    payload = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 2, "tools": [tool]}
    with pytest.raises(EngineRefused) as refused:
        await open_translated(deployment(fake, ""), "/chat/completions", payload)
    assert refused.value.status == 400
    assert fake.log() == []
