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
