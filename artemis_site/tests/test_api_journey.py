"""The official client through a real socket: every endpoint, streamed and not, and the bill of it."""

import pytest

from artemis_site.tests.desk import Desk
from artemis_site.tests.platform import EMBEDDING_MODEL, MODEL, SMALL_MODEL, Platform

MESSAGES = [{"role": "user", "content": "Say hello to the moon."}]


def test_chat_is_answered_and_billed(platform: Platform) -> None:
    key = platform.create_key()
    answer = platform.client(key["key"]).chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=5)

    assert answer.model == MODEL
    assert answer.choices[0].message.content
    assert answer.usage
    totals = platform.settled_usage(key["id"], requests=1)
    assert totals["input_tokens"] == answer.usage.prompt_tokens
    assert totals["output_tokens"] == answer.usage.completion_tokens == 5
    assert totals["cost_nano_usd"] == answer.usage.prompt_tokens * 1000 + 5 * 2000


def test_chat_streams_without_usage_unless_asked(platform: Platform) -> None:
    key = platform.create_key()
    client = platform.client(key["key"])
    chunks = list(client.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=5, stream=True))
    asked = list(
        client.chat.completions.create(
            model=MODEL, messages=MESSAGES, max_tokens=5, stream=True, stream_options={"include_usage": True}
        )
    )

    assert all(chunk.usage is None for chunk in chunks)
    assert all(chunk.choices for chunk in chunks)
    assert asked[-1].usage
    assert asked[-1].usage.completion_tokens == 5
    assert all(chunk.usage is None for chunk in asked[:-1])
    totals = platform.settled_usage(key["id"], requests=2)
    assert totals["output_tokens"] == 10


def test_completions_and_embeddings(platform: Platform) -> None:
    client = platform.client()
    completion = client.completions.create(model=MODEL, prompt="The moon", max_tokens=3)
    floats = client.embeddings.create(model=EMBEDDING_MODEL, input=["one", "two"], encoding_format="float")
    defaults = client.embeddings.create(model=EMBEDDING_MODEL, input=["one", "two"])  # base64 on the wire

    assert completion.choices[0].text
    assert len(floats.data) == 2
    assert [round(value, 5) for value in floats.data[1].embedding] == [
        round(value, 5) for value in defaults.data[1].embedding
    ]


def test_models_are_listed(platform: Platform) -> None:
    client = platform.client()
    names = {model.id for model in client.models.list()}

    assert {MODEL, EMBEDDING_MODEL} <= names
    assert client.models.retrieve(MODEL).id == MODEL


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("path", ["chat/completions", "responses"])
def test_thoughts_have_their_own_price(platform: Platform, desk: Desk, path: str, stream: bool) -> None:
    """As part of the output, which costs 2,000 nano-dollars a token; a thought costs 3,000."""
    platform.primary.script(thoughts=["Hm", ", well"])
    key = desk.key()
    asked = {"messages": MESSAGES, "max_tokens": 5} if path == "chat/completions" else {"input": "Hi"}
    body = {"model": SMALL_MODEL, "stream": stream, **asked}
    assert platform.post(f"/v1/{path}", json=body, api_key=key.secret).status_code == 200

    (request,) = desk.bill(key, requests=1).requests
    assert request.reasoning_tokens == 2 < request.output_tokens
    assert request.cost == request.input_tokens * 1000 + (request.output_tokens - 2) * 2000 + 2 * 3000
