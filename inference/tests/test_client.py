"""How a request reaches an engine of another dialect: Anthropic's address, key and version."""

import json

import pytest

from inference.client import EngineClient
from inference.errors import EngineRefused
from inference.fake.control import FakeServer
from inference.router import Deployment

BODY = b'{"model":"claude-haiku-4-5","max_tokens":2,"messages":[{"role":"user","content":"Hello"}]}'


def claude(api_base: str) -> Deployment:
    return Deployment(
        id="claude",
        model_group="claude",
        provider="anthropic",
        upstream_model="claude-haiku-4-5",
        api_base=api_base,
        api_key=" sk-its-own\n",
    )


@pytest.mark.parametrize("end", ["", "/", "/v1", "/v1/"])
async def test_claude_is_asked_as_anthropic_has_it(fake: FakeServer, end: str) -> None:
    async with EngineClient() as client:
        upstream = await client.open(claude(fake.base_url + end), "/messages", BODY, stream=False)
        assert json.loads(await upstream.body())["type"] == "message"
        await upstream.close()
    (entry,) = fake.log()
    assert entry["path"] == "/v1/messages"
    assert entry["headers"]["x-api-key"] == "…-own"
    assert entry["headers"]["anthropic-version"] == "2023-06-01"
    assert "authorization" not in entry["headers"]


async def test_its_refusal_keeps_status_words_and_pause(fake: FakeServer) -> None:
    fake.script(status=529, retry_after="3")
    async with EngineClient() as client:
        with pytest.raises(EngineRefused) as refused:
            await client.open(claude(fake.base_url), "/messages", BODY, stream=True)
    assert (refused.value.status, refused.value.retry_after) == (529, 3.0)
    assert json.loads(refused.value.body)["error"]["type"] == "overloaded_error"
