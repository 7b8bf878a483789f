"""What is refused under /v1/messages: in Anthropic's envelope, whatever went wrong, and as its client's exceptions."""

import json
from typing import Any

import anthropic
import pytest

from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import Key, give_model, make_account, revoke_key
from artemis_site.tests.messages import ASKED, TOOL, assert_refused, client_of, load_engine
from artemis_site.tests.platform import EMBEDDING_MODEL, MODEL, SMALL_MODEL, Platform
from artemis_site.tests.wire import exchange, request_bytes


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


def test_a_model_of_another_account_is_as_one_that_does_not_exist(platform: Platform, desk: Desk, key: Key) -> None:
    load_engine(platform, "moon-elsewhere")
    desk.call(give_model, "moon-elsewhere", desk.call(make_account, "Elsewhere"))

    for path in ("/v1/messages", "/v1/messages/count_tokens"):
        foreign, absent = (
            assert_refused(platform.post(path, api_key=key.secret, json=fields), 404, "not_found_error")
            for fields in ({"model": "moon-elsewhere"}, {"model": "moon-nowhereise"})
        )
        assert foreign["code"] == absent["code"] == "model_not_found"
        assert foreign["message"] == absent["message"].replace("moon-nowhereise", "moon-elsewhere")
    assert platform.primary.log() == []


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
