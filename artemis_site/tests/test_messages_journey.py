"""Anthropic's dialect by the official client: our engines answer, and Claude, whole and streamed; each is billed."""

from typing import Any

import anthropic
import pytest

from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import Key, end_user_of
from artemis_site.tests.messages import (
    ASKED,
    PROMPT,
    PROMPT_TOKENS,
    TOOL,
    ask,
    assert_billed,
    client_of,
    numbered,
    text_of,
    whole_and_streamed,
)
from artemis_site.tests.platform import CLAUDE, MODEL, SMALL_MODEL, Platform


@whole_and_streamed
@pytest.mark.parametrize(("model", "deployment"), [(MODEL, "moon-a"), (CLAUDE, "claude")], ids=["vLLM", "Claude"])
def test_a_message_is_answered_and_billed(
    platform: Platform,
    desk: Desk,
    key: Key,
    anthropic_client: anthropic.Anthropic,
    model: str,
    deployment: str,
    stream: bool,
) -> None:
    message = ask(anthropic_client, stream=stream, model=model)

    assert text_of(message) == numbered(8)
    assert (message.model, message.role, message.type) == (model, "assistant", "message")
    assert (message.stop_reason, message.stop_sequence) == ("max_tokens", None)
    assert (message.usage.input_tokens, message.usage.output_tokens) == (PROMPT_TOKENS, 8)
    assert_billed(desk, key, model=model, deployment=deployment)


@whole_and_streamed
@pytest.mark.parametrize(("model", "deployment"), [(MODEL, "moon-a"), (CLAUDE, "claude")], ids=["vLLM", "Claude"])
def test_what_was_cached_costs_less(
    platform: Platform,
    desk: Desk,
    key: Key,
    anthropic_client: anthropic.Anthropic,
    model: str,
    deployment: str,
    stream: bool,
) -> None:
    for engine in (platform.primary, platform.claude):
        engine.script(cached_tokens=3)
    usage = ask(anthropic_client, stream=stream, model=model).usage

    assert (usage.input_tokens, usage.cache_read_input_tokens) == (PROMPT_TOKENS - 3, 3)
    assert_billed(desk, key, model=model, deployment=deployment, cached=3)


@whole_and_streamed
@pytest.mark.parametrize("model", [MODEL, CLAUDE], ids=["vLLM", "Claude"])
def test_a_tool_is_called_and_its_result_sent_back(
    platform: Platform, anthropic_client: anthropic.Anthropic, model: str, stream: bool
) -> None:
    for engine in (platform.primary, platform.claude):
        engine.script(tool_call="look_up", times=1)
    fields = {"model": model, "tools": [TOOL], "tool_choice": {"type": "any"}}
    message = ask(anthropic_client, stream=stream, **fields)
    (call,) = message.content

    assert (message.stop_reason, call.type, call.name, call.input) == (
        "tool_use",
        "tool_use",
        "look_up",
        {"word": "fake engine"},
    )
    result = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "A moon."}]}
    turns = [
        *ASKED["messages"],
        {"role": "assistant", "content": message.content},
        {"role": "user", "content": [result]},
    ]
    assert text_of(ask(anthropic_client, stream=stream, **fields, messages=turns)) == numbered(8)


def test_what_the_engine_gets_is_what_was_asked_and_no_more(
    platform: Platform, desk: Desk, key: Key, anthropic_client: anthropic.Anthropic
) -> None:
    cached = {"cache_control": {"type": "ephemeral"}}
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
    asked: dict[str, Any] = {
        "max_tokens": 2000,
        "messages": [
            {"role": "user", "content": [image, {"type": "text", "text": PROMPT, **cached}]},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm.", "signature": "x"}]},
            {"role": "user", "content": "And?"},
        ],
        "system": [{"type": "text", "text": "Be kind.", **cached}],
        "tools": [TOOL | cached],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "stop_sequences": ["never"],
    }
    numbers = {"temperature": 0.5, "top_k": 5, "top_p": 0.9}
    anthropic_client.messages.create(
        model=CLAUDE,
        **asked,
        metadata={"user_id": "somebody" * 32},
        service_tier="auto",
        extra_body=numbers,
        extra_headers={"anthropic-beta": "files-api-2025-04-14"},
    )

    (sent,) = platform.claude.log()
    assert sent["path"] == "/v1/messages"
    assert sent["body"] == {"model": CLAUDE, **asked, **numbers}
    assert sent["headers"]["x-api-key"].startswith("…")  # its deployment's own, as the fake shows it
    assert sent["headers"]["anthropic-version"] == "2023-06-01"
    assert not {"authorization", "anthropic-beta"} & sent["headers"].keys()
    (request,) = desk.bill(key, requests=1).requests
    assert desk.call(end_user_of, request.request_id) == "somebody" * 15


@whole_and_streamed
def test_system_and_stop_sequence(platform: Platform, anthropic_client: anthropic.Anthropic, stream: bool) -> None:
    message = ask(anthropic_client, stream=stream, system="Be kind.", stop_sequences=["token 4"], max_tokens=16)
    assert text_of(message) == numbered(3)
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "token 4")
    assert message.usage.input_tokens == PROMPT_TOKENS + 2
    assert platform.primary.log()[-1]["body"]["system"] == "Be kind."


@whole_and_streamed
def test_litellm_translates_for_an_engine_that_speaks_openais_chat_alone(
    platform: Platform, desk: Desk, key: Key, anthropic_client: anthropic.Anthropic, translated: str, stream: bool
) -> None:
    message = ask(anthropic_client, stream=stream, model=translated)

    assert text_of(message) == numbered(8)
    assert (message.model, message.stop_reason) == (translated, "max_tokens")
    assert platform.primary.log()[-1]["path"] == "/v1/chat/completions"
    (request,) = desk.bill(key, requests=1).requests
    assert (request.input_tokens, request.output_tokens, request.outcome) == (PROMPT_TOKENS, 8, "completed")
    assert request.cost == PROMPT_TOKENS * 1000 + 8 * 2000

    platform.primary.script(tool_call="look_up", times=1)
    (call,) = ask(anthropic_client, stream=stream, model=translated, tools=[TOOL]).content
    assert (call.type, call.name, call.input) == ("tool_use", "look_up", {"word": "fake engine"})


@pytest.mark.parametrize("model", [MODEL, CLAUDE], ids=["vLLM", "Claude"])
def test_tokens_are_counted_by_the_engine_and_cost_nothing(
    platform: Platform, desk: Desk, key: Key, anthropic_client: anthropic.Anthropic, model: str
) -> None:
    asked = {"model": model, "messages": ASKED["messages"], "system": "Be kind.", "tools": [TOOL]}
    answer = anthropic_client.messages.with_raw_response.count_tokens(**asked)

    assert answer.parse().input_tokens == PROMPT_TOKENS + 2
    assert answer.headers["x-artemis-token-count"] == "counted"
    assert answer.headers["x-ratelimit-limit-requests"]
    (sent,) = (platform.claude if model == CLAUDE else platform.primary).log()
    assert (sent["path"], sent["body"]["model"]) == ("/v1/messages/count_tokens", model)
    assert desk.bill(key, requests=0).cost == 0


def test_tokens_are_estimated_where_no_engine_counts(
    platform: Platform, anthropic_client: anthropic.Anthropic, translated: str
) -> None:
    def estimate(**fields: Any) -> int:
        asked = {"model": translated, "messages": ASKED["messages"], **fields}
        answer = anthropic_client.messages.with_raw_response.count_tokens(**asked)
        assert answer.headers["x-artemis-token-count"] == "estimated"
        return answer.parse().input_tokens

    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 100_000}}
    plain = estimate()
    assert 6 <= plain <= 16
    assert estimate(system="Be kind.") > plain
    assert plain + 15 < estimate(tools=[TOOL]) < plain + 60
    assert plain < estimate(messages=[{"role": "user", "content": [image]}]) < 2000
    platform.primary.script(status=500)
    assert estimate(model=SMALL_MODEL) == plain


def test_the_largest_answer_is_held_before_it_is_made(platform: Platform, desk: Desk) -> None:
    key = desk.key(monthly_budget=1_000_000)  # $0.001: the prompt's bound and some 300 tokens
    with client_of(platform, key.secret) as client:
        with pytest.raises(anthropic.RateLimitError) as poor:
            client.messages.create(**ASKED | {"max_tokens": 1000})
        assert poor.value.error_code == "insufficient_quota"
        assert text_of(client.messages.create(**ASKED)) == numbered(8)
