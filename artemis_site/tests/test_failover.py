"""Engines that fail: the next one answers, or the caller is told; never a cut answer as a whole one; one bill."""

import contextlib
import json
import re
import socket
import time
from typing import Any

import httpx
import openai
import pytest

from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import Key, end_users_of
from artemis_site.tests.messages import load_engine
from artemis_site.tests.platform import CLAUDE, MODEL, SMALL_MODEL, Platform
from artemis_site.tests.wire import request_bytes

MESSAGES = [{"role": "user", "content": "Tell me of the moon."}]
PROMPT_TOKENS = 8
INPUT_PRICE, OUTPUT_PRICE = 1000, 2000
TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Looks something up",
        "parameters": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
    },
}
ADDRESS = re.compile(r"127\.0\.0\.1|localhost|http")


def ask(platform: Platform, key: Key, *, model: str = MODEL, **fields: Any) -> httpx.Response:
    payload = {"model": model, "messages": MESSAGES, "max_tokens": 8, **fields}
    return platform.post("/v1/chat/completions", api_key=key.secret, json=payload)


def events_of(answer: httpx.Response) -> list[Any]:
    """The data of each event; the last of a whole stream is "[DONE]"."""
    data = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line.startswith("data: ")]
    return [one if one == "[DONE]" else json.loads(one) for one in data]


def text_of(events: list[Any]) -> str:
    chunks = [event for event in events if event != "[DONE]" and event.get("choices")]
    return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)


def numbered(count: int) -> str:
    return " ".join(f"fake engine token {number}" for number in range(1, count + 1))


# With the tries that the first engine gets: what may pass is tried once more on the same one.
FAULTS: dict[str, dict[str, Any]] = {
    "503": {"status": 503, "retry_after": "1"},
    "429": {"status": 429},
    "401": {"status": 401},
    "404": {"status": 404},
    "queue full": {"error": "queue_full"},
    "HTML with 200": {"status": 200, "body": "<html><body>502 Bad Gateway</body></html>"},
    "JSON that is no answer": {"status": 200, "body": ["moon"]},
    "an empty body with 200": {"status": 200, "body": ""},
    "a redirect": {"status": 307, "body": {}},
}
PASSING: dict[str, dict[str, Any]] = {
    "500": {"status": 500},
    "502": {"status": 502, "body": "<html>"},
    "reset": {"reset": True},
}
TRIED_ONCE_OR_TWICE = [
    *(pytest.param(script, 1, id=name) for name, script in FAULTS.items()),
    *(pytest.param(script, 2, id=name) for name, script in PASSING.items()),
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("fault", "tries"), TRIED_ONCE_OR_TWICE)
def test_the_next_engine_answers(
    platform: Platform, desk: Desk, fault: dict[str, Any], tries: int, stream: bool
) -> None:
    platform.primary.script(**fault)
    key = desk.key()
    answer = ask(platform, key, stream=stream)

    assert answer.status_code == 200
    assert answer.headers["x-artemis-deployment"] == "moon-b"
    assert answer.headers["x-artemis-tries"] == str(tries + 1)
    if stream:
        events = events_of(answer)
        assert (text_of(events), events[-1]) == (numbered(8), "[DONE]")
    else:
        assert answer.json()["choices"][0]["message"]["content"] == numbered(8)
    assert (len(platform.primary.log()), len(platform.second.log())) == (tries, 1)
    assert_one_settlement(desk, key, deployment="moon-b")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_answer_that_its_engine_aborts_is_none(platform: Platform, desk: Desk, stream: bool) -> None:
    """vLLM says 200 and `finish_reason: abort` of what it drops as it stops."""
    platform.primary.script(finish_reason="abort", output_tokens=3)
    key = desk.key()
    answer = ask(platform, key, stream=stream)
    assert answer.status_code == 200
    if stream:
        events = events_of(answer)
        assert (text_of(events), events[-1]) == (numbered(8), "[DONE]")
        assert "abort" not in answer.text
    else:
        assert answer.json()["choices"][0]["message"]["content"] == numbered(8)
    assert (len(platform.primary.log()), len(platform.second.log())) == (1, 1)
    desk.bill(key, requests=1)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("fault", [*PASSING.values(), {"status": 503}, {"status": 429, "retry_after": "1"}])
def test_a_lone_engine_that_fails_once_answers_the_second_time(
    platform: Platform, desk: Desk, fault: dict[str, Any], stream: bool
) -> None:
    platform.primary.script(**fault, times=1)
    key = desk.key()
    began = time.monotonic()
    answer = ask(platform, key, model=SMALL_MODEL, stream=stream)
    assert (answer.status_code, answer.headers["x-artemis-tries"]) == (200, "2")
    assert ("retry_after" in fault) == (time.monotonic() - began > 1)
    assert desk.bill(key, requests=1).cost == PROMPT_TOKENS * INPUT_PRICE + 8 * OUTPUT_PRICE


@pytest.mark.parametrize(
    "fault",
    [{"silent": True}, {"first_token_delay": 10.0}],
    ids=["silent", "no first token"],
)
def test_the_next_engine_answers_where_a_stream_does_not_begin(
    platform: Platform, desk: Desk, fault: dict[str, Any]
) -> None:
    """`stream_timeout` is two seconds here."""
    platform.primary.script(**fault)
    key = desk.key()
    began = time.monotonic()
    answer = ask(platform, key, stream=True)

    assert answer.headers["x-artemis-deployment"] == "moon-b"
    assert text_of(events_of(answer)) == numbered(8)
    assert time.monotonic() - began < 6
    assert_one_settlement(desk, key, deployment="moon-b")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_caller_may_wait_for_less_than_the_deployment_allows(platform: Platform, desk: Desk, stream: bool) -> None:
    platform.primary.script(silent=True)
    platform.second.script(silent=True)
    platform.claude.script(silent=True)
    key = desk.key()
    began = time.monotonic()
    payload = {"model": MODEL, "messages": MESSAGES, "max_tokens": 8, "stream": stream}
    answer = platform.post(
        "/v1/chat/completions", api_key=key.secret, json=payload, headers={"x-artemis-timeout": "0.7"}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "timeout")
    assert 0.6 < time.monotonic() - began < 1.5
    desk.bill(key, requests=1)


def test_a_first_token_that_is_late_for_the_caller_comes_from_the_next(platform: Platform, desk: Desk) -> None:
    platform.primary.script(first_token_delay=1.5)
    payload = {"model": MODEL, "messages": MESSAGES, "max_tokens": 8, "stream": True}
    headers = {"x-artemis-first-token-timeout": "0.3", "x-artemis-user": "alice"}
    key = desk.key()
    answer = platform.post("/v1/chat/completions", api_key=key.secret, json=payload, headers=headers)
    assert answer.headers["x-artemis-deployment"] == "moon-b"
    assert text_of(events_of(answer)) == numbered(8)
    assert desk.call(end_users_of, key.public_id) == ["alice"]


@pytest.mark.parametrize(
    "headers",
    [
        {"x-artemis-timeout": "soon"},
        {"x-artemis-timeout": "nan"},
        {"x-artemis-timeout": "0"},
        {"x-artemis-token-timeout": "1e9"},
        {"x-artemis-user": "x" * 121},
    ],
)
def test_options_that_make_no_sense_are_named(platform: Platform, desk: Desk, headers: dict[str, str]) -> None:
    payload = {"model": MODEL, "messages": MESSAGES}
    answer = platform.post("/v1/chat/completions", api_key=desk.key().secret, json=payload, headers=headers)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, next(iter(headers)))


def test_a_request_that_takes_down_two_engines_goes_to_no_third(platform: Platform, desk: Desk) -> None:
    deadly = {"model": MODEL, "messages": [{"role": "user", "content": "deadly"}], "max_tokens": 8}
    time.sleep(1.5)  # all gateways have seen that both engines are up
    platform.primary.script(exit_on_request=True, match="deadly")
    platform.second.script(exit_on_request=True, match="deadly")
    key = desk.key()
    try:
        for _ in range(2):
            answer = platform.post("/v1/chat/completions", api_key=key.secret, json=deadly)
            assert (answer.status_code, answer.json()["error"]["code"]) == (502, "request_quarantined")
            assert platform.claude.log() == []
            platform.primary.wait_dead()
            platform.second.wait_dead()
            time.sleep(1.5)  # all gateways know by now
    finally:
        platform.primary.start()
        platform.second.start()
    answer = platform.post("/v1/chat/completions", api_key=key.secret, json=deadly)
    assert answer.status_code == 502
    assert platform.primary.log() == platform.second.log() == []
    assert desk.bill(key, requests=1).cost == 0


def test_a_whole_answer_that_is_cut_is_asked_elsewhere(platform: Platform, desk: Desk) -> None:
    platform.primary.script(cut_after=0)
    key = desk.key()
    answer = ask(platform, key)
    assert answer.json()["choices"][0]["message"]["content"] == numbered(8)
    assert_one_settlement(desk, key, deployment="moon-b")


def assert_one_settlement(desk: Desk, key: Key, *, deployment: str, output_tokens: int = 8) -> None:
    (request,) = desk.bill(key, requests=1).requests
    assert request.outcome == "completed"
    assert (request.model, request.deployment) == (MODEL, deployment)
    assert (request.input_tokens, request.output_tokens) == (PROMPT_TOKENS, output_tokens)
    assert request.cost == PROMPT_TOKENS * INPUT_PRICE + output_tokens * OUTPUT_PRICE


def own_engines_down(platform: Platform) -> None:
    platform.primary.script(status=503)
    platform.second.script(reset=True)


def test_claude_takes_over(platform: Platform, desk: Desk) -> None:
    own_engines_down(platform)
    key = desk.key()
    answer = ask(platform, key)

    assert answer.status_code == 200
    assert answer.headers["x-artemis-deployment"] == "claude"
    body = answer.json()
    assert (body["object"], body["model"]) == ("chat.completion", MODEL)
    assert body["choices"][0]["message"]["content"] == numbered(8)
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] == 8
    (sent,) = platform.claude.log()
    assert (sent["path"], sent["body"]["model"], sent["body"]["max_tokens"]) == ("/v1/messages", CLAUDE, 8)
    assert_one_settlement(desk, key, deployment="claude")


def test_claude_takes_over_a_stream(platform: Platform, desk: Desk) -> None:
    own_engines_down(platform)
    key = desk.key()
    client = platform.client(key.secret)
    chunks = list(
        client.chat.completions.create(
            model=MODEL,
            messages=MESSAGES,  # type: ignore[arg-type]
            max_tokens=8,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == numbered(8)
    assert {chunk.model for chunk in chunks} == {MODEL}
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "length"
    assert chunks[-1].usage
    assert chunks[-1].usage.completion_tokens == 8
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert_one_settlement(desk, key, deployment="claude")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_claudes_tool_call_comes_back_in_openais_form(platform: Platform, desk: Desk, stream: bool) -> None:
    own_engines_down(platform)
    platform.claude.script(tool_call="look_up")
    client = platform.client(desk.key().secret)
    if stream:
        events = client.chat.completions.create(
            model=MODEL,
            messages=MESSAGES,  # type: ignore[arg-type]
            tools=[TOOL],  # type: ignore[list-item]
            stream=True,
        )
        deltas = [chunk.choices[0] for chunk in events if chunk.choices]
        calls = [call for choice in deltas for call in choice.delta.tool_calls or ()]
        name = "".join(call.function.name or "" for call in calls if call.function)
        arguments = "".join(call.function.arguments or "" for call in calls if call.function)
        reason = deltas[-1].finish_reason
    else:
        answer = client.chat.completions.create(model=MODEL, messages=MESSAGES, tools=[TOOL])  # type: ignore[arg-type, list-item]
        (call,) = answer.choices[0].message.tool_calls or ()
        name, arguments = call.function.name, call.function.arguments  # type: ignore[union-attr]
        reason = answer.choices[0].finish_reason
    assert (name, reason) == ("look_up", "tool_calls")
    assert "word" in json.loads(arguments)


def test_several_choices_are_never_fewer_than_asked(platform: Platform, desk: Desk) -> None:
    """Claude gives one: it is not asked where another could, and refuses by name where it is alone."""
    key = desk.key()
    refused = ask(platform, key, model=CLAUDE, n=2)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "n")
    own_engines_down(platform)
    assert ask(platform, key, n=2).status_code == 503
    assert platform.claude.log() == []


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_with_all_engines_away_it_is_a_503_that_costs_nothing(platform: Platform, desk: Desk, stream: bool) -> None:
    own_engines_down(platform)
    platform.claude.script(status=529)
    key = desk.key()
    for model in (SMALL_MODEL, MODEL):
        began = time.monotonic()
        answer = ask(platform, key, model=model, stream=stream)
        assert time.monotonic() - began < 5
        assert (answer.status_code, answer.json()["error"]["type"]) == (503, "server_error")
        assert 1 <= int(answer.headers["retry-after"]) <= 30
        assert not ADDRESS.search(answer.text)
    bill = desk.bill(key, requests=2)
    assert bill.cost == 0
    assert {request.outcome for request in bill.requests} == {"failed"}
    assert {request.error_code for request in bill.requests} == {"model_unavailable"}


@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 429}, {"status": 500}], ids=["503", "429", "500"])
def test_it_works_again_as_soon_as_an_engine_is_back(platform: Platform, desk: Desk, fault: dict[str, Any]) -> None:
    key = desk.key()
    platform.primary.script(**fault)
    began = time.monotonic()
    refused = ask(platform, key, model=SMALL_MODEL)
    assert refused.status_code == (429 if fault["status"] == 429 else 503)
    assert float(refused.headers["retry-after"]) >= 1
    assert time.monotonic() - began < 3
    assert len(platform.primary.log()) <= 4
    platform.primary.reset()
    time.sleep(1)
    assert ask(platform, key, model=SMALL_MODEL).status_code == 200


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_prompt_too_long_is_the_callers_fault(platform: Platform, desk: Desk, stream: bool) -> None:
    platform.primary.script(error="context_length")
    key = desk.key()
    with pytest.raises(openai.BadRequestError) as refused:
        platform.client(key.secret).chat.completions.create(model=MODEL, messages=MESSAGES, stream=stream)  # type: ignore[call-overload]
    assert refused.value.code == "context_length_exceeded"
    assert "maximum context length is 32768" in refused.value.message
    assert len(platform.primary.log()) == 1
    assert platform.second.log() == platform.claude.log() == []
    (request,) = desk.bill(key, requests=1).requests
    assert (request.outcome, request.error_code, request.cost) == ("failed", "context_length_exceeded", 0)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ({"error": "content_policy"}, "content_policy_violation"),
        ({"status": 422, "body": {"error": {"message": "Bad value"}}}, "invalid_request"),
        ({"status": 400, "body": "<html>not JSON</html>"}, "invalid_request"),
        ({"status": 400, "body": {"error": {"message": 5}}}, "invalid_request"),
        ({"status": 400, "body": {"error": "just a text"}}, "invalid_request"),
        ({"status": 400, "body": {"error": {"message": "x", "code": "y" * 500, "param": "z" * 500}}}, "y" * 60),
        (
            {
                "status": 400,
                "body": {"message": "http://10.0.0.7:8000/v1 at 0x7f00 in /srv/vllm/engine.py, 10.0.0.7:8000"},
            },
            "invalid_request",
        ),
    ],
)
def test_a_refusal_is_passed_on_once_without_addresses(
    platform: Platform, desk: Desk, script: dict[str, Any], code: str
) -> None:
    platform.primary.script(**script)
    key = desk.key()
    answer = ask(platform, key)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == code
    assert not re.search(r"10\.0\.0\.7|0x7f|/srv|http", answer.json()["error"]["message"])
    assert len(platform.primary.log()) == 1
    assert platform.second.log() == []
    assert desk.bill(key, requests=1).cost == 0


BROKEN: dict[str, dict[str, Any]] = {
    "cut": {"cut_after": 4},
    "stalled": {"stall_after": 4},
    "malformed": {"malformed_after": 4},
    "HTML inside": {"malformed_after": 4, "malformed": "html"},
    "an endless line": {"malformed_after": 4, "malformed": "long_line"},
    "an error inside": {"error_after": 4},
    "no end": {"cut_after": 9},
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_a_stream_that_breaks_is_whole_or_an_error_never_a_short_success(
    platform: Platform, desk: Desk, broken: dict[str, Any]
) -> None:
    """`stream_timeout` is two seconds here."""
    platform.primary.script(**broken)
    key = desk.key()
    received = ""
    began = time.monotonic()
    client = platform.client(key.secret)
    failed: openai.APIError | None = None
    try:
        stream = client.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=8, stream=True)  # type: ignore[arg-type]
        for chunk in stream:
            received += chunk.choices[0].delta.content or ""
    except openai.APIError as error:
        failed = error

    assert time.monotonic() - began < 8
    assert numbered(8).startswith(received.strip())
    assert failed is not None or received == numbered(8)
    if failed:
        assert failed.code == "engine_failed"
        assert not ADDRESS.search(failed.message)
    (request,) = desk.bill(key, requests=1).requests
    assert request.outcome == ("failed" if failed else "completed")
    assert request.output_tokens == received.count("token")
    assert request.input_tokens == PROMPT_TOKENS
    assert request.cost == PROMPT_TOKENS * INPUT_PRICE + request.output_tokens * OUTPUT_PRICE


def test_one_of_two_answers_is_not_a_whole_one(platform: Platform, desk: Desk) -> None:
    """The cut comes between the end of the first choice and the end of the second."""
    platform.primary.script(cut_after=17)
    stream = platform.client(desk.key().secret).chat.completions.create(
        model=MODEL,
        messages=MESSAGES,  # type: ignore[arg-type]
        max_tokens=8,
        n=2,
        stream=True,
    )
    with pytest.raises(openai.APIError):
        list(stream)


@pytest.mark.parametrize(
    "body",
    [{"error": {"message": "out of memory", "type": "server_error"}}, {"error": "out of memory"}],
)
def test_an_error_with_status_200_is_a_failure(platform: Platform, desk: Desk, body: dict[str, Any]) -> None:
    platform.primary.script(status=200, body=body)
    assert ask(platform, desk.key()).headers["x-artemis-deployment"] == "moon-b"


@pytest.mark.parametrize("model", [MODEL, SMALL_MODEL], ids=["counted as it goes", "counted at the end"])
def test_a_stream_without_done_is_whole_where_its_answer_was(platform: Platform, desk: Desk, model: str) -> None:
    platform.primary.script(omit_done=True)
    key = desk.key()
    events = events_of(ask(platform, key, model=model, stream=True))
    assert (text_of(events), events[-1]) == (numbered(8), "[DONE]")
    (request,) = desk.bill(key, requests=1).requests
    assert (request.outcome, request.output_tokens) == ("completed", 8)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_answer_without_usage_is_estimated(platform: Platform, desk: Desk, stream: bool) -> None:
    platform.primary.script(omit_usage=True)
    key = desk.key()
    answer = ask(platform, key, model=SMALL_MODEL, stream=stream)
    assert answer.status_code == 200
    (request,) = desk.bill(key, requests=1).requests
    assert request.outcome == "completed"
    assert request.estimated
    assert request.output_tokens > 0
    assert request.input_tokens > 0


def test_texts_of_the_protocol_arrive_as_they_are(platform: Platform, desk: Desk) -> None:
    """Also where the network cuts them anywhere."""
    texts = ["data: [DONE]", "\n\n", "event: x\r\n", "\u2028", "ü", "🌙", '"usage":{"x":1}', "\\", '"model":"moon"']
    for split in (None, 1, 7):
        platform.reset_engines()
        platform.primary.script(texts=texts, split_bytes=split)
        events = events_of(ask(platform, desk.key(), stream=True, max_tokens=20))
        assert (text_of(events), events[-1]) == ("".join(texts), "[DONE]")
        whole = ask(platform, desk.key(), max_tokens=20)
        assert whole.json()["choices"][0]["message"]["content"] == "".join(texts)


def open_stream(platform: Platform, key: Key, **fields: Any) -> socket.socket:
    body = json.dumps({"model": MODEL, "messages": MESSAGES, "max_tokens": 64, **fields}).encode()
    headers = (("Authorization", f"Bearer {key.secret}"), ("Content-Type", "application/json"))
    connection = socket.create_connection(("127.0.0.1", platform.port), timeout=10)
    connection.sendall(request_bytes("/v1/chat/completions", body, headers=headers))
    return connection


def assert_the_engine_stops(platform: Platform) -> None:
    hung_up = time.monotonic()
    entry = platform.primary.wait_log(lambda entry: entry["disconnected"])
    assert time.monotonic() - hung_up < 1.5
    assert len(platform.primary.log()) == 1
    assert platform.second.log() == platform.claude.log() == []
    assert entry["generated_tokens"] < 64


def test_a_caller_who_hangs_up_mid_stream_pays_for_what_was_made(platform: Platform, desk: Desk) -> None:
    platform.primary.script(tokens_per_second=20, output_tokens=64)
    key = desk.key()
    with contextlib.closing(open_stream(platform, key, stream=True)) as connection:
        received = b""
        while received.count(b"fake engine token") < 5:
            received += connection.recv(65536)
    assert_the_engine_stops(platform)
    (request,) = desk.bill(key, requests=1).requests
    assert request.outcome == "cancelled"
    assert 5 <= request.output_tokens < 64
    assert request.cost == PROMPT_TOKENS * INPUT_PRICE + request.output_tokens * OUTPUT_PRICE


@pytest.mark.parametrize(
    ("stream", "script"),
    [
        (True, {"header_delay": 1.9}),
        (True, {"first_token_delay": 1.9}),
        (False, {"first_token_delay": 5.0}),
        (False, {"header_delay": 5.0}),
    ],
    ids=["before the headers", "before the first token", "non-streamed", "non-streamed, before the headers"],
)
def test_a_caller_who_hangs_up_before_the_first_byte(
    platform: Platform, desk: Desk, stream: bool, script: dict[str, Any]
) -> None:
    platform.primary.script(**script)
    key = desk.key()
    with contextlib.closing(open_stream(platform, key, stream=stream)):
        platform.primary.wait_log(lambda entry: not entry["finished"])
    assert_the_engine_stops(platform)
    (request,) = desk.bill(key, requests=1).requests
    assert (request.outcome, request.cost) == ("cancelled", 0)


def test_a_caller_who_hangs_up_while_sending_leaves_nothing_behind(platform: Platform, desk: Desk) -> None:
    key = desk.key()
    head = request_bytes(
        "/v1/chat/completions", headers=(("Authorization", f"Bearer {key.secret}"), ("Content-Length", "500"))
    )
    with socket.create_connection(("127.0.0.1", platform.port), timeout=10) as connection:
        connection.sendall(head.replace(b"Content-Length: 0\r\n", b"") + b'{"model"')
    assert ask(platform, key).status_code == 200
    assert len(platform.primary.log()) == 1
    desk.bill(key, requests=1)


def test_an_engine_that_dies_is_replaced_by_the_next(platform: Platform, desk: Desk) -> None:
    platform.primary.script(exit_on_request=True, times=1)
    key = desk.key()
    try:
        answer = ask(platform, key, stream=True)
        platform.primary.wait_dead()
        assert text_of(events_of(answer)) == numbered(8)
        assert ask(platform, key).headers["x-artemis-deployment"] == "moon-b"
    finally:
        platform.primary.start()
    bill = desk.bill(key, requests=2)
    assert {request.deployment for request in bill.requests} == {"moon-b"}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_claude_is_not_sent_what_only_our_engines_know(platform: Platform, desk: Desk, stream: bool) -> None:
    """The own engine, which comes first, is."""
    platform.primary.script(status=503)
    platform.second.script(status=503)
    extensions = {"top_k": 7, "chat_template_kwargs": {"enable_thinking": False}}
    answer = ask(platform, desk.key(), stream=stream, **extensions)
    assert (answer.status_code, answer.headers["x-artemis-deployment"]) == (200, "claude")
    sent_to_us = platform.primary.log()[0]["body"]
    assert extensions.items() <= sent_to_us.items()
    (sent,) = platform.claude.log()
    assert not {"top_k", "chat_template_kwargs", "extra_body"} & sent["body"].keys()


def test_a_field_that_the_engine_would_pass_over_is_refused_before_it_is_asked(platform: Platform, desk: Desk) -> None:
    load_engine(platform, "moon-plain", unsupported=["tools", "best_of"])
    key = desk.key()
    for path, fields, param in (
        ("chat/completions", {"messages": MESSAGES, "tools": [TOOL]}, "tools"),
        ("completions", {"prompt": "Hello", "best_of": 2}, "best_of"),
        ("responses", {"input": "Hello", "tools": [{"type": "function", "name": "look_up"}]}, "tools"),
    ):
        answer = platform.post(f"/v1/{path}", api_key=key.secret, json={"model": "moon-plain", **fields})
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (400, "unsupported_parameter", param)
    tools = [{"name": "look_up", "input_schema": {"type": "object"}}]
    body = {"model": "moon-plain", "messages": MESSAGES, "max_tokens": 4, "tools": tools}
    answer = platform.post("/v1/messages", api_key=key.secret, json=body)
    assert (answer.status_code, answer.json()["error"]["details"]["error_code"]) == (400, "unsupported_parameter")
    assert platform.primary.log() == []
    assert ask(platform, key, model="moon-plain").status_code == 200
