"""Responses in the background by the official client: made later, read, cancelled, deleted, and billed once."""

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest
from openai.types.responses import Response

from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import (
    Key,
    bill_of,
    change_key,
    end_users_of,
    make_account,
    queue_responses,
    revoke_key,
    spent_by,
    suspend,
)
from artemis_site.tests.platform import CLAUDE, EMBEDDING_MODEL, MODEL, SMALL_MODEL, Platform
from artemis_site.tests.test_redis_away import frozen_redis, until_both_know
from artemis_site.tests.test_responses_journey import postgres_processes

QUESTION = "Tell me of the moon."
UNFINISHED = ("queued", "in_progress")


@pytest.fixture
def client(platform: Platform, key: Key) -> openai.OpenAI:
    return platform.client(key.secret)


def begin(client: openai.OpenAI, **fields: Any) -> Response:
    made = client.responses.create(**{"model": MODEL, "input": QUESTION, "background": True, **fields})
    Response.model_validate(made.model_dump(), strict=True)
    assert (made.status, made.background, made.output) == ("queued", True, [])
    return made


def until(
    client: openai.OpenAI, response: Response, reached: Callable[[Response], bool], *, seconds: float = 30
) -> Response:
    """What it is then; each reading is checked as the official client types it."""
    deadline = time.monotonic() + seconds
    seen = [response.status]
    while not reached(response):
        assert time.monotonic() < deadline, response
        time.sleep(0.05)
        response = client.responses.retrieve(response.id)
        Response.model_validate(response.model_dump(), strict=True)
        seen.append(response.status)
    return response


def ended(client: openai.OpenAI, response: Response, *, seconds: float = 30) -> Response:
    return until(client, response, lambda one: one.status not in UNFINISHED, seconds=seconds)


def test_it_is_answered_as_in_the_foreground(platform: Platform, desk: Desk, key: Key, client: openai.OpenAI) -> None:
    fields: dict[str, Any] = {"metadata": {"purpose": "test"}, "temperature": 0.5, "max_output_tokens": 20}
    begun = begin(client, **fields)
    done = ended(client, begun)
    foreground = client.responses.create(model=MODEL, input=QUESTION, **fields)

    assert done.status == "completed"
    assert done.id == begun.id
    own = {"id", "created_at", "completed_at", "output", "background"}
    assert done.model_dump(exclude=own) == foreground.model_dump(exclude=own)
    assert done.output_text == foreground.output_text
    assert (done.background, foreground.background) == (True, False)
    first, second = desk.bill(key, requests=2).requests
    same = ("model", "endpoint", "outcome", "deployment", "input_tokens", "output_tokens", "cost", "service_tier")
    assert [getattr(first, name) for name in same] == [getattr(second, name) for name in same]


def test_many_are_made_side_by_side_and_each_is_billed_once(
    platform: Platform, desk: Desk, key: Key, client: openai.OpenAI
) -> None:
    platform.primary.script(header_delay=0.3)
    begun = [begin(client, input=f"Question {number}", max_output_tokens=5) for number in range(16)]
    for one in begun:
        assert ended(client, one).status == "incomplete"
    asked = [entry["body"]["input"] for entry in platform.primary.log()]
    assert sorted(asked) == sorted(f"Question {number}" for number in range(16))
    bill = desk.bill(key, requests=16)
    assert {request.outcome for request in bill.requests} == {"completed"}
    assert desk.call(spent_by, key) == bill.cost


def test_a_conversation_goes_on_in_the_background(platform: Platform, client: openai.OpenAI) -> None:
    first = ended(client, begin(client, max_output_tokens=2))
    second = ended(client, begin(client, input="And the sun?", previous_response_id=first.id, max_output_tokens=2))
    third = client.responses.create(model=MODEL, input="Why?", previous_response_id=second.id)
    assert third.status == "completed"
    told = [item["content"][0]["text"] for item in platform.primary.log()[-1]["body"]["input"]]
    assert told == [QUESTION, first.output_text, "And the sun?", second.output_text, "Why?"]
    (item,) = client.responses.input_items.list(second.id)
    assert item.content[0].text == "And the sun?"  # type: ignore[union-attr]


def test_structured_output_and_tools(platform: Platform, client: openai.OpenAI) -> None:
    tool: Any = {"type": "function", "name": "look_up", "parameters": {"type": "object", "properties": {}}}
    platform.primary.script(tool_call="look_up", times=1)
    done = ended(client, begin(client, tools=[tool], tool_choice="required"))
    (call,) = done.output
    assert call.type == "function_call"
    assert (call.name, done.tools[0].to_dict()) == ("look_up", tool)


def test_use_is_attributed_to_whom_the_header_names(platform: Platform, desk: Desk, key: Key) -> None:
    client = platform.client(key.secret, default_headers={"x-artemis-user": "Somebody"})
    ended(client, begin(client, safety_identifier="another"))
    desk.bill(key, requests=1)
    assert desk.call(end_users_of, key.public_id) == ["Somebody"]


def test_one_that_runs_is_cancelled(platform: Platform, desk: Desk, key: Key, client: openai.OpenAI) -> None:
    platform.primary.script(header_delay=60)
    begun = begin(client)
    platform.primary.wait_log(lambda entry: entry["path"] == "/v1/responses", seconds=20)
    assert client.responses.retrieve(begun.id).status == "in_progress"
    cancelled_at = time.monotonic()
    cancelled = client.responses.cancel(begun.id)
    Response.model_validate(cancelled.model_dump(), strict=True)
    assert (cancelled.status, cancelled.output) == ("cancelled", [])
    platform.primary.wait_log(lambda entry: entry["disconnected"])
    assert time.monotonic() - cancelled_at < 5
    assert client.responses.cancel(begun.id) == client.responses.retrieve(begun.id) == cancelled
    (request,) = desk.bill(key, requests=1).requests
    assert (request.outcome, request.cost) == ("cancelled", 0)
    assert len(platform.primary.log()) == 1


@pytest.mark.parametrize("answering", ["claude", "translated"])
def test_one_that_a_translated_engine_answers_is_cancelled(
    platform: Platform, desk: Desk, key: Key, client: openai.OpenAI, translated: str, answering: str
) -> None:
    """LiteLLM asks these."""
    engine = platform.claude if answering == "claude" else platform.primary
    engine.script(header_delay=60)
    begun = begin(client, model=CLAUDE if answering == "claude" else translated)
    engine.wait_log(lambda entry: entry["body"] is not None, seconds=20)
    assert client.responses.cancel(begun.id).status == "cancelled"
    engine.wait_log(lambda entry: entry["disconnected"])
    desk.bill(key, requests=1)


def test_one_that_waits_is_cancelled(platform: Platform, desk: Desk) -> None:
    key = desk.key(parallel_limit=1)
    client = platform.client(key.secret)
    platform.primary.script(match="slow", header_delay=3)
    slow = begin(client, input="slow")
    platform.primary.wait_log(lambda entry: entry["body"]["input"] == "slow", seconds=20)
    waiting = begin(client)
    time.sleep(1)  # it is tried, and there is one at once already
    assert client.responses.cancel(waiting.id).status == "cancelled"
    assert ended(client, slow).status == "completed"
    time.sleep(2)
    assert client.responses.retrieve(waiting.id).status == "cancelled"
    assert [entry["body"]["input"] for entry in platform.primary.log()] == ["slow"]
    desk.bill(key, requests=1)


def test_one_that_has_ended_is_cancelled_in_vain(client: openai.OpenAI) -> None:
    done = ended(client, begin(client))
    assert client.responses.cancel(done.id) == done
    foreground = client.responses.create(model=MODEL, input=QUESTION)
    with pytest.raises(openai.BadRequestError, match="background"):
        client.responses.cancel(foreground.id)


def test_one_that_runs_is_deleted(platform: Platform, desk: Desk, key: Key, client: openai.OpenAI) -> None:
    platform.primary.script(header_delay=60)
    begun = begin(client)
    platform.primary.wait_log(lambda entry: entry["path"] == "/v1/responses", seconds=20)
    client.responses.delete(begun.id)
    for call in (client.responses.retrieve, client.responses.delete, client.responses.cancel):
        with pytest.raises(openai.NotFoundError):
            call(begun.id)
    platform.primary.wait_log(lambda entry: entry["disconnected"])
    (request,) = desk.bill(key, requests=1).requests
    assert request.outcome == "cancelled"


def test_others_find_nothing_of_it(platform: Platform, desk: Desk, client: openai.OpenAI) -> None:
    platform.primary.script(header_delay=2)
    begun = begin(client)
    stranger = desk.key(account=desk.call(make_account, "Background Stranger"))
    told = []
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/input_items"), ("POST", "/cancel")):
        answer = httpx.request(
            method,
            f"{platform.base_url}/v1/responses/{begun.id}{path}",
            headers={"Authorization": f"Bearer {stranger.secret}"},
        )
        told.append((answer.status_code, answer.json()["error"]["code"]))
    assert set(told) == {(404, "response_not_found")}
    assert ended(client, begun).status == "completed"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_another_worker_goes_on_and_it_is_billed_once(
    platform: Platform, desk: Desk, key: Key, client: openai.OpenAI, number: signal.Signals
) -> None:
    platform.primary.script(header_delay=40, times=4)
    begun = [begin(client, input=f"Question {place}") for place in range(4)]
    for place in range(4):
        asked = f"Question {place}"
        platform.primary.wait_log(lambda entry, asked=asked: entry["body"]["input"] == asked, seconds=20)  # type: ignore[misc]
    (worker,) = platform.workers()
    if number == signal.SIGKILL:
        os.killpg(worker, number)
    else:
        os.kill(worker, number)
    told = time.monotonic()
    while worker in platform.workers():
        assert time.monotonic() - told < 25  # it does not wait for the answers
        time.sleep(0.1)
    done = [ended(client, one, seconds=90) for one in begun]

    assert {one.status for one in done} == {"completed"}
    rows = desk.call(bill_of, key.public_id).requests
    charged = [row.request_id.partition("_r")[0] for row in rows if row.cost]
    assert len(charged) == 4
    assert desk.call(spent_by, key) == sum(row.cost for row in rows)


def test_an_engine_that_is_away_for_a_moment_is_waited_for(
    platform: Platform, desk: Desk, key: Key, client: openai.OpenAI
) -> None:
    platform.primary.script(status=503, times=4)
    assert ended(client, begin(client, model=SMALL_MODEL)).status == "completed"
    rows = desk.call(bill_of, key.public_id).requests
    assert sum(row.cost > 0 for row in rows) == 1


BETWEEN: dict[str, tuple[str, str]] = {
    "its budget is used up": ("rate_limit_exceeded", "insufficient_quota"),
    "its key is revoked": ("server_error", "invalid_api_key"),
    "its account is suspended": ("server_error", "account_suspended"),
    "its key may not use the model": ("server_error", "model_not_allowed"),
}


@pytest.mark.parametrize("happens", BETWEEN)
def test_what_is_not_allowed_any_more_fails_and_says_why(platform: Platform, desk: Desk, happens: str) -> None:
    account = desk.call(make_account, f"Background {happens}")
    key, reading = desk.key(account=account, parallel_limit=1), desk.key(account=account)
    client, watching = platform.client(key.secret), platform.client(reading.secret)
    platform.primary.script(match="slow", header_delay=3)
    slow = begin(client, input="slow")
    platform.primary.wait_log(lambda entry: entry["body"]["input"] == "slow", seconds=20)
    waiting = begin(client)
    if happens == "its key is revoked":
        desk.call(revoke_key, key)
    elif happens == "its account is suspended":
        desk.call(suspend, key.account_id, True)
        time.sleep(5)
        desk.call(suspend, key.account_id, False)
    else:
        changes: dict[str, Any] = {"monthly_budget": 1} if "budget" in happens else {"allowed_models": (SMALL_MODEL,)}
        desk.call(change_key, key, changes | {"parallel_limit": 1})
    failed = ended(watching, waiting)

    assert failed.status == "failed"
    assert failed.error
    details: Any = failed.error.to_dict()["details"]
    assert (failed.error.code, details["error_code"]) == BETWEEN[happens]
    assert failed.error.message
    assert ended(watching, slow).status == "completed"  # it was admitted before
    assert len(platform.primary.log()) == 1
    desk.bill(key, requests=1)


def test_nobody_waits_longer_than_the_caller_wants_to(platform: Platform, desk: Desk, key: Key) -> None:
    platform.primary.script(header_delay=20)
    platform.second.script(header_delay=20)
    client = platform.client(key.secret, default_headers={"x-artemis-timeout": "0.5"})
    failed = ended(client, begin(client))
    assert failed.error
    details: Any = failed.error.to_dict()["details"]
    assert (failed.error.code, details["error_code"]) == ("server_error", "timeout")
    assert "0.5 seconds" in failed.error.message
    assert desk.bill(key, requests=1).cost == 0


def test_what_an_engine_refuses_is_told_by_the_response(platform: Platform, client: openai.OpenAI) -> None:
    platform.primary.script(error="context_length")
    failed = ended(client, begin(client))
    assert failed.status == "failed"
    assert failed.error
    assert (failed.error.code, failed.error.to_dict()["details"]) == (
        "invalid_prompt",
        {"error_code": "context_length_exceeded", "param": "input"},
    )
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model=MODEL, input="Go on.", previous_response_id=failed.id)
    assert refused.value.code == "previous_response_not_completed"


@pytest.mark.parametrize("background", [False, True])
def test_what_has_not_ended_is_not_continued(platform: Platform, client: openai.OpenAI, background: bool) -> None:
    platform.primary.script(header_delay=2)
    begun = begin(client)
    with pytest.raises(openai.BadRequestError, match="wait until it has ended") as refused:
        client.responses.create(model=MODEL, input="Go on.", previous_response_id=begun.id, background=background)
    assert (refused.value.code, refused.value.param) == ("previous_response_not_completed", "previous_response_id")
    ended(client, begun)


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], int, str]] = {
    "a model that is not there": ({}, {"model": "nobody"}, 404, "model_not_found"),
    "a model for another key": ({"allowed_models": (SMALL_MODEL,)}, {}, 403, "model_not_allowed"),
    "an endpoint for another key": ({"allowed_endpoints": ("embeddings",)}, {}, 403, "endpoint_not_allowed"),
    "a model for embeddings": ({}, {"model": EMBEDDING_MODEL}, 400, "invalid_value"),
    "more than the budget": ({"monthly_budget": 10}, {}, 429, "insufficient_quota"),
    "more than the tokens a minute": ({"tpm_limit": 10}, {}, 429, "tokens_limit_exceeded"),
    "a schema that goes on for ever": (
        {},
        {
            "text": {
                "format": {
                    "type": "json_schema",
                    "name": "a",
                    "schema": {"properties": {"child": {"$ref": "#"}}},
                }
            }
        },
        400,
        "invalid_value",
    ),
}


@pytest.mark.parametrize(("policy", "fields", "status", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_admitted_is_refused_at_once(
    platform: Platform, desk: Desk, policy: dict[str, Any], fields: dict[str, Any], status: int, code: str
) -> None:
    key = desk.key(**policy)
    asked = {"model": MODEL, "input": QUESTION, "background": True, **fields}
    answer = platform.post("/v1/responses", api_key=key.secret, json=asked)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert not platform.primary.log()
    desk.bill(key, requests=0)


def test_it_counts_as_one_request_a_minute(platform: Platform, desk: Desk) -> None:
    """When it is taken on, and not again when it is run."""
    key = desk.key(rpm_limit=3)
    client, watching = platform.client(key.secret), platform.client(desk.key().secret)
    begun = [begin(client) for _ in range(3)]
    with pytest.raises(openai.RateLimitError) as refused:
        begin(client)
    assert refused.value.code == "rate_limit_exceeded"
    assert refused.value.response.headers["x-ratelimit-remaining-requests"] == "0"
    assert {ended(watching, one, seconds=15).status for one in begun} == {"completed"}
    desk.bill(key, requests=3)


def test_so_many_of_an_account_may_wait(platform: Platform, desk: Desk) -> None:
    key = desk.key(account=desk.call(make_account, "Background hoarder"))
    desk.call(queue_responses, key, 1000)
    answer = platform.post(
        "/v1/responses", api_key=key.secret, json={"model": MODEL, "input": QUESTION, "background": True}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "too_many_background_responses")
    assert answer.headers["retry-after"] == "5"
    neighbour = platform.client(desk.key().secret)
    assert ended(neighbour, begin(neighbour)).status == "completed"


def test_it_is_taken_on_while_redis_is_frozen(platform: Platform, desk: Desk, key: Key, client: openai.OpenAI) -> None:
    known = until_both_know(platform, key)
    with frozen_redis(platform):
        began = time.monotonic()
        begun = [begin(client) for _ in range(2)]
        assert time.monotonic() - began < 15
        assert client.responses.retrieve(begun[0].id).status == "queued"
    assert {ended(client, one, seconds=60).status for one in begun} == {"completed"}
    desk.bill(key, requests=known + 2)


def test_a_redis_that_is_frozen_for_a_moment_costs_no_answer(
    platform: Platform, desk: Desk, key: Key, client: openai.OpenAI
) -> None:
    platform.primary.script(header_delay=6)
    begun = begin(client)
    platform.primary.wait_log(lambda entry: entry["path"] == "/v1/responses", seconds=20)
    with frozen_redis(platform):
        time.sleep(3)
    assert ended(client, begun, seconds=60).status == "completed"
    assert len(platform.primary.log()) == 1
    desk.bill(key, requests=1)


def test_a_database_that_is_frozen_for_a_moment_costs_no_answer(
    platform: Platform, desk: Desk, key: Key, client: openai.OpenAI
) -> None:
    platform.primary.script(header_delay=3)
    begun = begin(client)
    platform.primary.wait_log(lambda entry: entry["path"] == "/v1/responses", seconds=20)
    stopped = postgres_processes(platform)
    for process in stopped:
        os.kill(process, signal.SIGSTOP)
    try:
        time.sleep(8)  # longer than the answer takes, and than a query may
    finally:
        for process in stopped:
            os.kill(process, signal.SIGCONT)
    assert ended(client, begun, seconds=60).status == "completed"
    assert len(platform.primary.log()) == 1
    desk.bill(key, requests=1)
