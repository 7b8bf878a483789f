"""What providers that LiteLLM translates for are sent: their deployment's key, and never another one."""

import json
from dataclasses import replace
from typing import Any

import pytest

from inference.fake.control import FakeServer
from inference.router import Deployment
from inference.translate import open_translated


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
