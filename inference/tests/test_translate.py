"""What providers that LiteLLM translates for are sent: their deployment's key, and never another one."""

import json

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
