"""Anthropic's dialect by the official client: our engines answer, and Claude, whole and streamed; each is billed."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import httpx
import pytest

from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import Key, end_user_of, give_model, make_account, revoke_key
from artemis_site.tests.platform import CLAUDE, EMBEDDING_MODEL, MODEL, SMALL_MODEL, Platform, models_yaml
from artemis_site.tests.wire import exchange, request_bytes

PROMPT = "Tell me of the moon."
PROMPT_TOKENS = 8
ASKED: dict[str, Any] = {"model": MODEL, "max_tokens": 8, "messages": [{"role": "user", "content": PROMPT}]}
# Nano-dollars a token: input, cached input, output.
PRICES = {MODEL: (1000, 100, 2000), SMALL_MODEL: (1000, 100, 2000), CLAUDE: (1000, 100, 5000)}
TOOL = {
    "name": "look_up",
    "description": "Looks something up",
    "input_schema": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
}
ADDRESS = re.compile(r"127\.0\.0\.1|localhost|http")
TRANSLATED = "moon-translated"


@contextmanager
def client_of(platform: Platform, secret: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=platform.base_url, api_key=secret, max_retries=0, timeout=30) as client:
        yield client


@pytest.fixture
def key(desk: Desk) -> Key:
    return desk.key()


@pytest.fixture
def client(platform: Platform, key: Key) -> Iterator[anthropic.Anthropic]:
    with client_of(platform, key.secret) as client:
        yield client


@pytest.fixture(scope="module")
def translated(running_platform: Platform) -> str:
    """A model whose engine speaks OpenAI's chat alone: LiteLLM translates."""
    document = json.loads(models_yaml(running_platform.primary, running_platform.second, running_platform.claude))
    entry = next(entry for entry in document["model_list"] if entry["model_name"] == SMALL_MODEL)
    entry["model_name"], entry["model_info"]["id"] = TRANSLATED, "translated"
    entry["model_info"]["endpoints"] = ["chat.completions"]
    file = running_platform.home / "translated.yaml"
    file.write_text(json.dumps({"model_list": [entry]}))
    running_platform.manage("load_models", str(file))
    return TRANSLATED


def numbered(count: int) -> str:
    return " ".join(f"fake engine token {number}" for number in range(1, count + 1))


def text_of(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def ask(client: anthropic.Anthropic, *, stream: bool, **fields: Any) -> Any:
    """The whole message, however it came."""
    if not stream:
        return client.messages.create(**ASKED | fields)
    with client.messages.stream(**ASKED | fields) as events:
        return events.get_final_message()


def assert_billed(
    desk: Desk, key: Key, *, model: str = MODEL, deployment: str, output: int = 8, cached: int = 0
) -> None:
    (request,) = desk.bill(key, requests=1).requests
    for_input, for_cached, for_output = PRICES[model]
    assert (request.outcome, request.endpoint, request.estimated) == ("completed", "messages", False)
    assert (request.model, request.deployment) == (model, deployment)
    assert (request.input_tokens, request.cached_input_tokens) == (PROMPT_TOKENS, cached)
    assert request.output_tokens == output
    cost = (PROMPT_TOKENS - cached) * for_input + cached * for_cached + output * for_output
    assert request.cost == cost


whole_and_streamed = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@whole_and_streamed
@pytest.mark.parametrize(("model", "deployment"), [(MODEL, "moon-a"), (CLAUDE, "claude")], ids=["vLLM", "Claude"])
def test_a_message_is_answered_and_billed(
    platform: Platform, desk: Desk, key: Key, client: anthropic.Anthropic, model: str, deployment: str, stream: bool
) -> None:
    message = ask(client, stream=stream, model=model)

    assert text_of(message) == numbered(8)
    assert (message.model, message.role, message.type) == (model, "assistant", "message")
    assert (message.stop_reason, message.stop_sequence) == ("max_tokens", None)
    assert (message.usage.input_tokens, message.usage.output_tokens) == (PROMPT_TOKENS, 8)
    assert_billed(desk, key, model=model, deployment=deployment)


@whole_and_streamed
@pytest.mark.parametrize(("model", "deployment"), [(MODEL, "moon-a"), (CLAUDE, "claude")], ids=["vLLM", "Claude"])
def test_what_was_cached_costs_less(
    platform: Platform, desk: Desk, key: Key, client: anthropic.Anthropic, model: str, deployment: str, stream: bool
) -> None:
    for engine in (platform.primary, platform.claude):
        engine.script(cached_tokens=3)
    usage = ask(client, stream=stream, model=model).usage

    assert (usage.input_tokens, usage.cache_read_input_tokens) == (PROMPT_TOKENS - 3, 3)
    assert_billed(desk, key, model=model, deployment=deployment, cached=3)


@whole_and_streamed
@pytest.mark.parametrize("model", [MODEL, CLAUDE], ids=["vLLM", "Claude"])
def test_a_tool_is_called_and_its_result_sent_back(
    platform: Platform, client: anthropic.Anthropic, model: str, stream: bool
) -> None:
    for engine in (platform.primary, platform.claude):
        engine.script(tool_call="look_up", times=1)
    fields = {"model": model, "tools": [TOOL], "tool_choice": {"type": "any"}}
    message = ask(client, stream=stream, **fields)
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
    assert text_of(ask(client, stream=stream, **fields, messages=turns)) == numbered(8)


def test_what_the_engine_gets_is_what_was_asked_and_no_more(
    platform: Platform, desk: Desk, key: Key, client: anthropic.Anthropic
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
    client.messages.create(
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
    assert sent["headers"]["x-api-key"] == "…ests"
    assert sent["headers"]["anthropic-version"] == "2023-06-01"
    assert not {"authorization", "anthropic-beta"} & sent["headers"].keys()
    (request,) = desk.bill(key, requests=1).requests
    assert desk.call(end_user_of, request.request_id) == "somebody" * 15


@whole_and_streamed
def test_system_and_stop_sequence(platform: Platform, client: anthropic.Anthropic, stream: bool) -> None:
    message = ask(client, stream=stream, system="Be kind.", stop_sequences=["token 4"], max_tokens=16)
    assert text_of(message) == numbered(3)
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "token 4")
    assert message.usage.input_tokens == PROMPT_TOKENS + 2
    assert platform.primary.log()[-1]["body"]["system"] == "Be kind."


@whole_and_streamed
def test_litellm_translates_for_an_engine_that_speaks_openais_chat_alone(
    platform: Platform, desk: Desk, key: Key, client: anthropic.Anthropic, translated: str, stream: bool
) -> None:
    message = ask(client, stream=stream, model=translated)

    assert text_of(message) == numbered(8)
    assert (message.model, message.stop_reason) == (translated, "max_tokens")
    assert platform.primary.log()[-1]["path"] == "/v1/chat/completions"
    (request,) = desk.bill(key, requests=1).requests
    assert (request.input_tokens, request.output_tokens, request.outcome) == (PROMPT_TOKENS, 8, "completed")
    assert request.cost == PROMPT_TOKENS * 1000 + 8 * 2000

    platform.primary.script(tool_call="look_up", times=1)
    (call,) = ask(client, stream=stream, model=translated, tools=[TOOL]).content
    assert (call.type, call.name, call.input) == ("tool_use", "look_up", {"word": "fake engine"})


@pytest.mark.parametrize("model", [MODEL, CLAUDE], ids=["vLLM", "Claude"])
def test_tokens_are_counted_by_the_engine_and_cost_nothing(
    platform: Platform, desk: Desk, key: Key, client: anthropic.Anthropic, model: str
) -> None:
    asked = {"model": model, "messages": ASKED["messages"], "system": "Be kind.", "tools": [TOOL]}
    answer = client.messages.with_raw_response.count_tokens(**asked)

    assert answer.parse().input_tokens == PROMPT_TOKENS + 2
    assert answer.headers["x-artemis-token-count"] == "counted"
    assert answer.headers["x-ratelimit-limit-requests"]
    (sent,) = (platform.claude if model == CLAUDE else platform.primary).log()
    assert (sent["path"], sent["body"]["model"]) == ("/v1/messages/count_tokens", model)
    assert desk.bill(key, requests=0).cost == 0


def test_tokens_are_estimated_where_no_engine_counts(
    platform: Platform, client: anthropic.Anthropic, translated: str
) -> None:
    def estimate(**fields: Any) -> int:
        asked = {"model": translated, "messages": ASKED["messages"], **fields}
        answer = client.messages.with_raw_response.count_tokens(**asked)
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


@whole_and_streamed
@pytest.mark.parametrize(
    "fault",
    [{"status": 500}, {"status": 529}, {"reset": True}, {"status": 200, "body": "<html>"}, {"status": 200, "body": {}}],
    ids=["500", "529", "reset", "HTML with 200", "JSON that is no answer"],
)
def test_the_next_engine_answers_and_then_claude(
    platform: Platform, desk: Desk, key: Key, client: anthropic.Anthropic, fault: dict[str, Any], stream: bool
) -> None:
    platform.primary.script(**fault)
    assert text_of(ask(client, stream=stream)) == numbered(8)
    assert_billed(desk, key, deployment="moon-b")

    platform.second.script(**fault)
    other = desk.key()
    with client_of(platform, other.secret) as second_client:
        message = ask(second_client, stream=stream)
    assert (text_of(message), message.model) == (numbered(8), MODEL)
    assert_billed(desk, other, deployment="claude")  # at moon's price, whoever answers


def test_an_error_in_place_of_the_first_event_is_asked_elsewhere(
    platform: Platform, desk: Desk, key: Key, client: anthropic.Anthropic
) -> None:
    """Also where it comes with a 200: the caller has seen nothing yet."""
    for engine in (platform.primary, platform.claude):
        engine.script(error_after=0)
    assert text_of(ask(client, stream=True)) == numbered(8)
    assert_billed(desk, key, deployment="moon-b")
    with pytest.raises(anthropic.InternalServerError) as away:
        ask(client, stream=True, model=CLAUDE)
    assert away.value.status_code == 529


BROKEN: dict[str, dict[str, Any]] = {
    "cut": {"cut_after": 6},
    "stalled": {"stall_after": 6},
    "malformed": {"malformed_after": 6},
    "HTML inside": {"malformed_after": 6, "malformed": "html"},
    "an endless line": {"malformed_after": 6, "malformed": "long_line"},
    "overloaded_error": {"error_after": 6},
    "no end": {"cut_after": 13},
}


@pytest.mark.parametrize("model", [MODEL, CLAUDE, TRANSLATED], ids=["vLLM", "Claude", "translated"])
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_a_stream_that_breaks_is_whole_or_an_error_never_a_short_success(
    platform: Platform,
    desk: Desk,
    key: Key,
    client: anthropic.Anthropic,
    translated: str,
    broken: dict[str, Any],
    model: str,
) -> None:
    """`stream_timeout` is two seconds for our engines; Claude's default of a minute is not waited for here."""
    if model == CLAUDE and "stall_after" in broken:
        pytest.skip("waits for a minute")
    for engine in (platform.primary, platform.claude):
        engine.script(**broken)
    received = ""
    failed: anthropic.APIError | None = None
    began = time.monotonic()
    try:
        with client.messages.stream(**ASKED | {"model": model}) as stream:
            for text in stream.text_stream:
                received += text
            assert stream.get_final_message().stop_reason == "max_tokens"
    except anthropic.APIError as error:
        failed = error

    assert time.monotonic() - began < 8
    assert numbered(8).startswith(received)
    assert failed is not None or received == numbered(8)
    if failed:
        assert failed.body["error"]["code"] == "engine_failed"  # type: ignore[index, call-overload]
        assert failed.body["request_id"].startswith("req_")  # type: ignore[index, call-overload]
        assert not ADDRESS.search(str(failed))
    (request,) = desk.bill(key, requests=1).requests
    assert request.outcome == ("failed" if failed else "completed")
    if model == MODEL:  # its deltas are tokens
        assert request.output_tokens == received.count("token")
        assert request.input_tokens == PROMPT_TOKENS
        assert request.cost == PROMPT_TOKENS * 1000 + request.output_tokens * 2000


@pytest.mark.parametrize("model", [MODEL, CLAUDE, TRANSLATED], ids=["vLLM", "Claude", "translated"])
def test_a_caller_who_hangs_up_pays_for_what_came_and_frees_the_engine(
    platform: Platform, desk: Desk, key: Key, client: anthropic.Anthropic, translated: str, model: str
) -> None:
    engine = platform.claude if model == CLAUDE else platform.primary
    engine.script(tokens_per_second=20.0, output_tokens=200)
    received = 0
    with client.messages.stream(**ASKED | {"model": model, "max_tokens": 200}) as stream:
        for _ in stream.text_stream:
            received += 1
            if received == 5:
                break
    (request,) = desk.bill(key, requests=1).requests

    assert engine.wait_log(lambda entry: entry["disconnected"])["generated_tokens"] < 100
    assert (request.outcome, request.estimated) == ("cancelled", True)
    assert 0 < request.output_tokens < 50
    assert request.input_tokens > 0
    if model != TRANSLATED:  # where it is told at the beginning
        assert request.input_tokens == PROMPT_TOKENS


def test_the_largest_answer_is_held_before_it_is_made(platform: Platform, desk: Desk) -> None:
    key = desk.key(monthly_budget=1_000_000)  # $0.001: the prompt's bound and some 300 tokens
    with client_of(platform, key.secret) as client:
        with pytest.raises(anthropic.RateLimitError) as poor:
            client.messages.create(**ASKED | {"max_tokens": 1000})
        assert poor.value.error_code == "insufficient_quota"
        assert text_of(client.messages.create(**ASKED)) == numbered(8)


def test_a_model_of_another_account_is_as_one_that_does_not_exist(platform: Platform, desk: Desk, key: Key) -> None:
    document = json.loads(models_yaml(platform.primary, platform.second, platform.claude))
    entry = next(entry for entry in document["model_list"] if entry["model_name"] == SMALL_MODEL)
    entry["model_name"], entry["model_info"]["id"] = "moon-elsewhere", "elsewhere"
    file = platform.home / "elsewhere.yaml"
    file.write_text(json.dumps({"model_list": [entry]}))
    platform.manage("load_models", str(file))
    desk.call(give_model, "moon-elsewhere", desk.call(make_account, "Elsewhere"))

    for path in ("/v1/messages", "/v1/messages/count_tokens"):
        foreign, absent = (
            assert_refused(platform.post(path, api_key=key.secret, json=fields), 404, "not_found_error")
            for fields in ({"model": "moon-elsewhere"}, {"model": "moon-nowhereise"})
        )
        assert foreign["code"] == absent["code"] == "model_not_found"
        assert foreign["message"] == absent["message"].replace("moon-nowhereise", "moon-elsewhere")
    assert platform.primary.log() == []


@whole_and_streamed
def test_with_all_engines_away_it_is_an_overload_that_costs_nothing(
    platform: Platform, desk: Desk, key: Key, client: anthropic.Anthropic, stream: bool
) -> None:
    platform.primary.script(status=503)
    platform.second.script(reset=True)
    platform.claude.script(status=529)
    with pytest.raises(anthropic.InternalServerError) as away:
        ask(client, stream=stream)

    assert (away.value.status_code, away.value.type) == (529, "overloaded_error")
    assert away.value.error_code == "model_unavailable"
    assert 1 <= int(away.value.response.headers["retry-after"]) <= 30
    assert not ADDRESS.search(str(away.value))
    assert desk.bill(key, requests=1).cost == 0


def claude_says(status: int, message: str, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"status": status, "body": {"type": "error", "error": {"type": kind, "message": message}}}


@whole_and_streamed
@pytest.mark.parametrize(
    ("model", "script", "code"),
    [
        (MODEL, {"error": "context_length"}, "context_length_exceeded"),
        (CLAUDE, claude_says(400, "prompt is too long: 200001 tokens > 200000 maximum"), "context_length_exceeded"),
        (CLAUDE, claude_says(400, "temperature and top_p cannot both be given"), "invalid_request"),
    ],
    ids=["vLLM's context", "Claude's context", "Claude's refusal"],
)
def test_what_the_caller_did_wrong_is_said_once(
    platform: Platform,
    desk: Desk,
    key: Key,
    client: anthropic.Anthropic,
    model: str,
    script: dict[str, Any],
    code: str,
    stream: bool,
) -> None:
    engine = platform.claude if model == CLAUDE else platform.primary
    engine.script(**script)
    with pytest.raises(anthropic.BadRequestError) as refused:
        ask(client, stream=stream, model=model)
    assert (refused.value.type, refused.value.error_code) == ("invalid_request_error", code)
    assert len(engine.log()) == 1
    (request,) = desk.bill(key, requests=1).requests
    assert (request.error_code, request.cost) == (code, 0)


@pytest.mark.parametrize(
    "script",
    [
        claude_says(400, "Your credit balance is too low to access the Anthropic API."),
        claude_says(400, "You have reached your specified API usage limits. You will regain access on 2026-12-01."),
        claude_says(402, "Pay first", "billing_error"),
        claude_says(529, "Overloaded", "overloaded_error"),
        claude_says(401, "invalid x-api-key", "authentication_error"),
    ],
    ids=["no credit", "spend limit", "billing", "overloaded", "our key"],
)
def test_what_claude_has_against_us_is_not_the_callers_fault(
    platform: Platform, desk: Desk, key: Key, client: anthropic.Anthropic, script: dict[str, Any]
) -> None:
    platform.claude.script(**script)
    with pytest.raises(anthropic.InternalServerError) as away:
        ask(client, stream=False, model=CLAUDE)
    assert (away.value.status_code, away.value.error_code) == (529, "model_unavailable")
    assert len(platform.claude.log()) == 1
    assert "x-api-key" not in str(away.value)
    assert desk.bill(key, requests=1).cost == 0


def test_claudes_rate_limit_is_passed_on(platform: Platform, client: anthropic.Anthropic) -> None:
    platform.claude.script(**claude_says(429, "slow down", "rate_limit_error"), retry_after="7")
    with pytest.raises(anthropic.RateLimitError) as busy:
        ask(client, stream=False, model=CLAUDE)
    assert (busy.value.type, busy.value.response.headers["retry-after"]) == ("rate_limit_error", "7")


def test_errors_are_the_clients_own_exceptions(platform: Platform, desk: Desk) -> None:
    def refusal(key: Key, **fields: Any) -> anthropic.APIStatusError:
        with client_of(platform, key.secret) as client, pytest.raises(anthropic.APIStatusError) as refused:
            client.messages.create(**ASKED | fields)
        error = refused.value
        assert error.body["request_id"] == error.request_id == error.response.headers["x-request-id"]  # type: ignore[index, call-overload]
        assert error.body["type"] == "error"  # type: ignore[index, call-overload]
        assert error.body["error"]["code"] == error.error_code  # type: ignore[index, call-overload]
        return error

    revoked = desk.key()
    desk.call(revoke_key, revoked)
    good, slow = desk.key(), desk.key(rpm_limit=1)
    poor, chats = desk.key(monthly_budget=1), desk.key(allowed_endpoints=("chat.completions",))
    with client_of(platform, slow.secret) as client:
        client.messages.create(**ASKED)

    found = {
        "unauthenticated": refusal(revoked),
        "unknown model": refusal(good, model="mars"),
        "not allowed": refusal(chats),
        "unknown field": refusal(good, extra_body={"ignore_eos": True}),
        "too many": refusal(slow),
        "too poor": refusal(poor),
    }
    assert {name: (type(error), error.type, error.error_code) for name, error in found.items()} == {
        "unauthenticated": (anthropic.AuthenticationError, "authentication_error", "invalid_api_key"),
        "unknown model": (anthropic.NotFoundError, "not_found_error", "model_not_found"),
        "not allowed": (anthropic.PermissionDeniedError, "permission_error", "endpoint_not_allowed"),
        "unknown field": (anthropic.BadRequestError, "invalid_request_error", "unknown_parameter"),
        "too many": (anthropic.RateLimitError, "rate_limit_error", "rate_limit_exceeded"),
        "too poor": (anthropic.RateLimitError, "rate_limit_error", "insufficient_quota"),
    }
    assert int(found["too many"].response.headers["retry-after"]) >= 1
    assert found["too many"].response.headers["x-ratelimit-limit-requests"] == "1"


def test_counting_is_for_the_same_models_and_keys(platform: Platform, desk: Desk) -> None:
    def refusal(key: Key, model: str = MODEL) -> tuple[int, str | None]:
        with client_of(platform, key.secret) as client, pytest.raises(anthropic.APIStatusError) as refused:
            client.messages.count_tokens(model=model, messages=ASKED["messages"])
        return refused.value.status_code, refused.value.error_code

    known, embeds, small = (
        desk.key(),
        desk.key(allowed_endpoints=("embeddings",)),
        desk.key(allowed_models=(SMALL_MODEL,)),
    )
    with client_of(platform, known.secret) as client:
        client.messages.count_tokens(model=MODEL, messages=ASKED["messages"])
    assert refusal(known, "mars") == (404, "model_not_found")
    assert refusal(known, EMBEDDING_MODEL) == (400, "invalid_value")
    assert refusal(embeds) == (403, "endpoint_not_allowed")
    assert refusal(small) == (403, "model_not_allowed")
    desk.call(revoke_key, known)
    assert refusal(known) == (401, "invalid_api_key"), "no admission tells, and yet at once"


def block(**fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [fields]}]}


URL_IMAGE = {"type": "url", "url": "http://169.254.169.254/x.png"}
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no max_tokens": ({"max_tokens": None}, "max_tokens"),
    "zero max_tokens": ({"max_tokens": 0}, "max_tokens"),
    "max_tokens as text": ({"max_tokens": "8"}, "max_tokens"),
    "max_tokens true": ({"max_tokens": True}, "max_tokens"),
    "max_tokens 2**40": ({"max_tokens": 2**40}, "max_tokens"),
    "no messages": ({"messages": []}, "messages"),
    "a message as text": ({"messages": "Hello"}, "messages"),
    "a system message": ({"messages": [{"role": "system", "content": "x"}]}, "messages[0].role"),
    "a message without content": ({"messages": [{"role": "user"}]}, "messages[0].content"),
    "a field in a message": ({"messages": [{"role": "user", "content": "x", "name": "y"}]}, "messages[0].name"),
    "an unknown block": (block(type="document", source={}), "messages[0].content[0]"),
    "a field in a block": (block(type="text", text="x", foo=1), "messages[0].content[0].foo"),
    "an image's address": (block(type="image", source=URL_IMAGE), "messages[0].content[0].source"),
    "an image that is none": (
        block(type="image", source={"type": "base64", "media_type": "image/svg+xml", "data": "x"}),
        "messages[0].content[0].source.media_type",
    ),
    "an image in a result": (
        block(type="tool_result", tool_use_id="x", content=[{"type": "image", "source": URL_IMAGE}]),
        "messages[0].content[0].content[0].source",
    ),
    "temperature 2": ({"temperature": 2}, "temperature"),
    "top_k -1": ({"top_k": -1}, "top_k"),
    "top_p as text": ({"top_p": "1"}, "top_p"),
    "stream 1": ({"stream": 1}, "stream"),
    "an empty stop sequence": ({"stop_sequences": [""]}, "stop_sequences"),
    "stop": ({"stop": "x"}, "stop"),
    "user": ({"user": "x"}, "user"),
    "n": ({"n": 2}, "n"),
    "an engine's field": ({"chat_template_kwargs": {"enable_thinking": False}}, "chat_template_kwargs"),
    "api_base": ({"api_base": "http://169.254.169.254"}, "api_base"),
    "mock_response": ({"mock_response": "x"}, "mock_response"),
    "mcp_servers": ({"mcp_servers": [{"url": "http://169.254.169.254"}]}, "mcp_servers"),
    "container": ({"container": "x"}, "container"),
    "a server's tool": ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0]"),
    "a tool's name": ({"tools": [TOOL | {"name": "a b"}]}, "tools[0].name"),
    "129 tools": ({"tools": [TOOL] * 129}, "tools"),
    "a choice without tools": ({"tool_choice": {"type": "any"}}, "tool_choice"),
    "a choice of nothing": ({"tools": [TOOL], "tool_choice": {"type": "tool"}}, "tool_choice"),
    "a small budget": ({"thinking": {"type": "enabled", "budget_tokens": 5}}, "thinking.budget_tokens"),
    "a budget above max_tokens": ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "thinking.budget_tokens"),
    "a long user_id": ({"metadata": {"user_id": "u" * 257}}, "metadata.user_id"),
    "more metadata": ({"metadata": {"name": "x"}}, "metadata.name"),
    "cache_control for a day": ({"cache_control": {"type": "ephemeral", "ttl": "24h"}}, "cache_control.ttl"),
}


def assert_refused(answer: Any, status: int, kind: str, code: str | None = None) -> dict[str, Any]:
    """The error of an answer in Anthropic's envelope."""
    found: dict[str, Any] = json.loads(answer.content if isinstance(answer, httpx.Response) else answer.body)
    assert (answer.status_code if isinstance(answer, httpx.Response) else answer.status) == status, found
    assert (found["type"], found["error"]["type"]) == ("error", kind)
    assert found["request_id"] == answer.headers["request-id"] == answer.headers["x-request-id"]
    if code:
        assert found["error"]["code"] == found["error"]["details"]["error_code"] == code
    error: dict[str, Any] = found["error"]
    return error


@pytest.mark.parametrize(("fields", "param"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_a_clear_400(platform: Platform, fields: dict[str, Any], param: str) -> None:
    asked = {name: value for name, value in (ASKED | fields).items() if value is not None}
    answer = platform.post("/v1/messages", json=asked)
    error = assert_refused(answer, 400, "invalid_request_error")
    assert (error["param"] or "").startswith(param), error
    assert platform.primary.log() == []


JSON_TYPE = (("Content-Type", "application/json"),)


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_whatever_goes_wrong_is_told_in_anthropics_envelope(platform: Platform, path: str) -> None:
    def send(body: bytes = b"{}", *, method: str = "POST", where: str = path, **headers: str) -> Any:
        given = {"content-type": "application/json", "x-api-key": platform.api_key} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        return exchange(platform.port, request_bytes(where, body, method=method, headers=tuple(given.items())))

    invalid = "invalid_request_error"
    assert_refused(send(x_api_key=""), 401, "authentication_error", "missing_api_key")
    assert_refused(send(x_api_key="sk-art-junk"), 401, "authentication_error", "invalid_api_key")
    assert_refused(send(b"nonsense"), 400, invalid, "invalid_json")
    assert_refused(send(b'{"model":"moon","model":"moon"}'), 400, invalid, "invalid_json")
    assert_refused(send(b"{}"), 400, invalid, "missing_required_parameter")
    assert_refused(send(b'{"model":"mars"}'), 404, "not_found_error", "model_not_found")
    assert_refused(send(content_type="text/plain"), 415, invalid, "unsupported_media_type")
    assert_refused(send(content_encoding="gzip"), 415, invalid, "unsupported_media_type")
    assert_refused(send(b" " * (11 * 2**20)), 413, "request_too_large", "request_too_large")
    assert_refused(send(method="GET"), 405, invalid, "method_not_allowed")
    assert_refused(send(where=f"{path}/"), 404, "not_found_error", "not_found")


def test_either_header_holds_the_key_on_every_endpoint(platform: Platform, desk: Desk, key: Key) -> None:
    other = desk.key()
    chat = ("/v1/chat/completions", {"model": MODEL, "messages": ASKED["messages"]})
    for path, body in (chat, ("/v1/messages", ASKED), ("/v1/models", None)):

        def status(headers: list[tuple[str, str]], path: str = path, body: Any = body) -> tuple[int, str]:
            raw = b"" if body is None else json.dumps(body).encode()
            method = "GET" if body is None else "POST"
            answer = exchange(platform.port, request_bytes(path, raw, method=method, headers=(*JSON_TYPE, *headers)))
            return answer.status, answer.error["code"] if answer.status != 200 else ""

        bearer, plain = ("Authorization", f"Bearer {key.secret}"), ("x-api-key", key.secret)
        assert status([bearer])[0] == status([plain])[0] == status([bearer, plain])[0] == 200
        refused = (401, "invalid_api_key")
        assert status([bearer, ("x-api-key", other.secret)]) == refused
        assert status([plain, plain]) == refused
        assert status([plain, ("Authorization", f"Basic {key.secret}")]) == refused
        assert status([("x-api-key", f"Bearer {key.secret}")]) == refused
        assert status([("x-api-key", "sk-art-" + "a" * 10_240)]) == refused
        assert status([("x-api-key", f'"{key.secret}"')]) == refused
        assert status([("x-api-key", "")]) == (401, "missing_api_key")
