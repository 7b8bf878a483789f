"""What is asked of the sampling reaches the engine, and its answer the caller: stop, seed, n, logprobs and the rest."""

from typing import Any

import anthropic
import openai
import pytest

from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import Key
from artemis_site.tests.messages import numbered, text_of
from artemis_site.tests.platform import CLAUDE, MODEL, SMALL_MODEL, Platform

HELLO: list[Any] = [{"role": "user", "content": "Hello"}]
COUNTED: Any = {"include_usage": True}
whole_and_streamed = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@pytest.fixture
def client(platform: Platform, key: Key) -> openai.OpenAI:
    return platform.client(key.secret)


def chat(client: openai.OpenAI, *, stream: bool, **fields: Any) -> dict[int, tuple[str, str, int]]:
    """By choice: its text, why it ended, how many logprobs it has."""
    asked = {"model": MODEL, "messages": HELLO, **fields}
    if not stream:
        answer = client.chat.completions.create(**asked)
        return {
            one.index: (
                one.message.content or "",
                one.finish_reason,
                len((one.logprobs and one.logprobs.content) or ()),
            )
            for one in answer.choices
        }
    texts: dict[int, tuple[str, str, int]] = {}
    for chunk in client.chat.completions.create(**asked, stream=True, stream_options=COUNTED):
        for one in chunk.choices:
            text, reason, count = texts.get(one.index, ("", "", 0))
            more = len((one.logprobs and one.logprobs.content) or ())
            texts[one.index] = (text + (one.delta.content or ""), one.finish_reason or reason, count + more)
    return texts


@whole_and_streamed
@pytest.mark.parametrize("model", [MODEL, CLAUDE])
@pytest.mark.parametrize("stop", ["token 4", ["never", "token 4"]], ids=["one", "several"])
def test_an_answer_stops_where_it_is_told(
    platform: Platform, client: openai.OpenAI, model: str, stop: Any, stream: bool
) -> None:
    assert chat(client, stream=stream, model=model, stop=stop) == {0: (numbered(3), "stop", 0)}
    engine = platform.claude if model == CLAUDE else platform.primary
    sent = engine.log()[-1]["body"]
    assert (sent.get("stop") or sent.get("stop_sequences")) == (
        [stop] if model == CLAUDE and stop == "token 4" else stop
    )


@whole_and_streamed
def test_choices_logprobs_and_seed(
    platform: Platform, desk: Desk, key: Key, client: openai.OpenAI, stream: bool
) -> None:
    asked = {"n": 3, "logprobs": True, "top_logprobs": 2, "seed": 7, "max_tokens": 4, "logit_bias": {"5": -100}}
    found = chat(client, stream=stream, **asked)
    assert found == {index: (numbered(4), "length", 4) for index in range(3)}
    sent = platform.primary.log()[-1]["body"]
    assert {name: sent[name] for name in asked} == asked
    (request,) = desk.bill(key, requests=1).requests
    assert (request.output_tokens, request.estimated) == (12, False)


@whole_and_streamed
def test_a_completion_too(platform: Platform, client: openai.OpenAI, stream: bool) -> None:
    asked: dict[str, Any] = {"n": 2, "logprobs": 1, "seed": -1, "max_tokens": 8, "stop": "token 3", "suffix": "."}
    if stream:
        texts = {0: "", 1: ""}
        for chunk in client.completions.create(model=SMALL_MODEL, prompt=["a"], stream=True, **asked):
            for choice in chunk.choices:
                texts[choice.index] += choice.text
    else:
        answer = client.completions.create(model=SMALL_MODEL, prompt=["a"], **asked)
        texts = {choice.index: choice.text for choice in answer.choices}
        assert [len(choice.logprobs.tokens or ()) for choice in answer.choices if choice.logprobs] == [2, 2]
    assert texts == {0: numbered(2), 1: numbered(2)}
    sent = platform.primary.log()[-1]["body"]
    assert {name: sent[name] for name in asked} == asked


@pytest.mark.parametrize("options", [None, {"include_usage": False}, {"include_obfuscation": False}, {}])
def test_the_count_comes_only_where_it_was_asked_for(client: openai.OpenAI, options: Any) -> None:
    asked: Any = {"model": MODEL, "messages": HELLO, "max_tokens": 3, "stream": True}
    chunks = list(client.chat.completions.create(**asked, **({} if options is None else {"stream_options": options})))
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


@whole_and_streamed
def test_anthropics_client_has_its_own_names(
    platform: Platform, anthropic_client: anthropic.Anthropic, stream: bool
) -> None:
    more = {"temperature": 0.5, "top_k": 7, "top_p": 0.9}  # newer clients do not name them any more
    asked: dict[str, Any] = {"stop_sequences": ["token 3"], **more}
    said: dict[str, Any] = {"model": MODEL, "messages": HELLO, "max_tokens": 16, "stop_sequences": ["token 3"]}
    said["extra_body"] = more
    if stream:
        with anthropic_client.messages.stream(**said) as events:
            message = events.get_final_message()
    else:
        message = anthropic_client.messages.create(**said)
    assert (text_of(message), message.stop_reason, message.stop_sequence) == (numbered(2), "stop_sequence", "token 3")
    sent = platform.primary.log()[-1]["body"]
    assert {name: sent[name] for name in asked} == asked
