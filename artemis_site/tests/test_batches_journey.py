"""Batches by the official client against the running platform: answers, errors, bills, cancellations, dead workers."""

import io
import json
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types import Batch, CreateEmbeddingResponse, FileObject
from openai.types.chat import ChatCompletion

from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import bill_of, change_key, make_account, revoke_key, spent_by, suspend
from artemis_site.tests.platform import EMBEDDING_MODEL, MODEL, SMALL_MODEL, Platform

CHAT = "/v1/chat/completions"
ENDED = ("completed", "failed", "expired", "cancelled")


def chat(name: str, **fields: Any) -> dict[str, Any]:
    body = {"model": MODEL, "messages": [{"role": "user", "content": f"Say {name}."}], "max_tokens": 5}
    return {"custom_id": name, "method": "POST", "url": CHAT, "body": body | fields}


def jsonl(*lines: Any) -> bytes:
    return b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines)


def begin(client: OpenAI, *lines: Any, endpoint: Any = CHAT, **options: Any) -> Batch:
    file = client.files.create(file=("requests.jsonl", io.BytesIO(jsonl(*lines))), purpose="batch")
    return client.batches.create(input_file_id=file.id, endpoint=endpoint, completion_window="24h", **options)


def until(client: OpenAI, batch: Batch, reached: Callable[[Batch], bool], *, seconds: float = 40) -> Batch:
    deadline = time.monotonic() + seconds
    while not reached(batch):
        assert time.monotonic() < deadline, batch
        time.sleep(0.2)
        batch = client.batches.retrieve(batch.id)
        Batch.model_validate(batch.model_dump(), strict=True)
    return batch


def ended(client: OpenAI, batch: Batch, *, seconds: float = 40) -> Batch:
    return until(client, batch, lambda one: one.status in ENDED, seconds=seconds)


def entries(client: OpenAI, file_id: str | None) -> dict[str, dict[str, Any]]:
    """By custom_id; each stands once."""
    if file_id is None:
        return {}
    lines = [json.loads(line) for line in client.files.content(file_id).text.splitlines()]
    assert all(set(line) == {"id", "custom_id", "response", "error"} for line in lines)
    found = {line["custom_id"]: line for line in lines}
    assert len(found) == len(lines) == len({line["id"] for line in lines})
    return found


def test_a_batch_is_answered_at_half_the_price(platform: Platform, desk: Desk) -> None:
    key = desk.key()
    client = platform.client(key.secret)
    begun = begin(client, *(chat(f"line {number}") for number in range(20)), metadata={"run": "night"})
    assert begun.status == "validating"
    assert begun.metadata == {"run": "night"}
    batch = ended(client, begun)

    assert batch.status == "completed"
    assert batch.request_counts
    assert batch.request_counts.to_dict() == {"total": 20, "completed": 20, "failed": 0}
    assert batch.error_file_id is None
    assert batch.created_at <= (batch.in_progress_at or 0) <= (batch.finalizing_at or 0) <= (batch.completed_at or 0)
    answers = entries(client, batch.output_file_id)
    bill = desk.bill(key, requests=20)
    costs = {request.request_id: request for request in bill.requests}
    for name, entry in answers.items():
        response = entry["response"]
        assert (entry["error"], response["status_code"], entry["custom_id"]) == (None, 200, name)
        answer = ChatCompletion.model_validate(response["body"])
        assert (answer.model, answer.choices[0].finish_reason) == (MODEL, "length")
        assert answer.usage
        request = costs[response["request_id"]]
        live = answer.usage.prompt_tokens * 1000 + answer.usage.completion_tokens * 2000
        assert request.cost == -(-live // 2)
        assert (request.service_tier, request.outcome) == ("batch", "completed")
    assert client.batches.list().data[0].id == batch.id
    output = client.files.retrieve(batch.output_file_id or "")
    FileObject.model_validate(output.model_dump(), strict=True)
    assert output.purpose == "batch_output"


def test_odd_nano_dollars_are_rounded_up_once(platform: Platform, desk: Desk) -> None:
    """An embedding of one word costs 1,000 nano-dollars live; of three words, 3,000: half of it to the nano-dollar."""
    key = desk.key()
    client = platform.client(key.secret)
    lines = [
        {
            "custom_id": str(words),
            "method": "POST",
            "url": "/v1/embeddings",
            "body": {"model": EMBEDDING_MODEL, "input": ["moon " * words, "rise"]},
        }
        for words in (1, 2, 3)
    ]
    batch = ended(client, begin(client, *lines, endpoint="/v1/embeddings"))

    assert batch.status == "completed"
    for words, entry in entries(client, batch.output_file_id).items():
        answer = CreateEmbeddingResponse.model_validate(entry["response"]["body"])
        assert len(answer.data) == 2
        assert answer.usage.prompt_tokens == int(words) + 1
    assert desk.bill(key, requests=3).cost == (2 + 3 + 4) * 500


def test_completions_too(platform: Platform) -> None:
    client = platform.client()
    line = {
        "custom_id": "a",
        "method": "POST",
        "url": "/v1/completions",
        "body": {"model": MODEL, "prompt": "The moon"},
    }
    batch = ended(client, begin(client, line, endpoint="/v1/completions"))
    assert entries(client, batch.output_file_id)["a"]["response"]["body"]["choices"][0]["text"]


def test_lines_that_fail_do_so_alone(platform: Platform, desk: Desk) -> None:
    key = desk.key()
    client = platform.client(key.secret)
    batch = ended(
        client,
        begin(
            client,
            chat("good"),
            chat("nobody", model="nobody"),
            chat("embed", model=EMBEDDING_MODEL),
            chat("hot", temperature=9),
            chat("unknown", colour="blue"),
            chat("stream", stream=True),
        ),
    )
    assert batch.status == "completed"
    assert batch.request_counts
    assert batch.request_counts.to_dict() == {"total": 6, "completed": 1, "failed": 5}
    assert set(entries(client, batch.output_file_id)) == {"good"}
    errors = {
        name: (entry["response"]["status_code"], entry["response"]["body"]["error"]["param"], entry["error"])
        for name, entry in entries(client, batch.error_file_id).items()
    }
    assert errors == {
        "nobody": (404, "model", None),
        "embed": (400, "model", None),
        "hot": (400, "temperature", None),
        "unknown": (400, "colour", None),
        "stream": (400, "stream", None),
    }
    desk.bill(key, requests=1)


def test_a_file_with_bad_lines_fails_and_says_which(platform: Platform, desk: Desk) -> None:
    key = desk.key()
    client = platform.client(key.secret)
    batch = ended(
        client,
        begin(
            client,
            chat("a"),
            b"{\n",
            b"\n",
            chat("a"),
            {**chat("b"), "url": "/v1/embeddings"},
            {**chat("c"), "method": "GET"},
            {**chat("d"), "extra": 1},
            {**chat("e"), "body": {"messages": []}},
            b'["f"]\n',
            b"\xff\xfe\n",
        ),
    )
    assert batch.status == "failed"
    assert batch.errors
    assert batch.errors.data
    assert [(error.line, error.code) for error in batch.errors.data] == [
        (2, "invalid_json_line"),
        (4, "duplicate_custom_id"),
        (5, "invalid_url"),
        (6, "invalid_request"),
        (7, "invalid_request"),
        (8, "invalid_body"),
        (9, "invalid_request"),
        (10, "invalid_json_line"),
    ]
    assert all(error.message for error in batch.errors.data)
    desk.bill(key, requests=0)
    blank = ended(client, begin(client, b"\n \n"))
    assert blank.errors
    assert blank.errors.data
    assert [error.code for error in blank.errors.data] == ["empty_file"]


def test_batches_that_cannot_be_made(platform: Platform, desk: Desk) -> None:
    client = platform.client()
    file = client.files.create(file=io.BytesIO(jsonl(chat("a"))), purpose="batch")
    stranger = platform.client(desk.key(account=desk.call(make_account, "Batch stranger")).secret)
    good = {"input_file_id": file.id, "endpoint": CHAT, "completion_window": "24h"}
    for fields, status, param in (
        ({"endpoint": "/v1/moderations"}, 400, "endpoint"),
        ({"completion_window": "1h"}, 400, "completion_window"),
        ({"colour": "blue"}, 400, "colour"),
        ({"metadata": {"a": "x" * 513}}, 400, "metadata[...]"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 1}}, 400, "output_expires_after.seconds"),
        ({"input_file_id": "file-x"}, 404, None),
    ):
        answer = platform.post("/v1/batches", json=good | fields)
        assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
    with pytest.raises(openai.NotFoundError):
        stranger.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")


def test_batches_are_their_projects_alone(platform: Platform, desk: Desk) -> None:
    client = platform.client()
    batch = ended(client, begin(client, chat("a")))
    stranger = platform.client(desk.key(account=desk.call(make_account, "Batch thief")).secret)
    texts = set()
    for identifier in (batch.id, "batch_000000000000000000000000"):
        for reach in (stranger.batches.retrieve, stranger.batches.cancel):
            with pytest.raises(openai.NotFoundError) as refused:
                reach(identifier)
            texts.add(str(refused.value.body["message"]).replace(identifier, "…"))  # type: ignore[index]
    assert len(texts) == 1
    assert not list(stranger.batches.list())
    with pytest.raises(openai.ConflictError):
        client.batches.cancel(batch.id)


def test_a_cancelled_batch_stops_and_keeps_what_was_done(platform: Platform, desk: Desk) -> None:
    platform.primary.script(match="slow", header_delay=30)
    key = desk.key()
    client = platform.client(key.secret)
    lines = [chat("quick 1"), chat("quick 2"), *(chat(f"slow {number}") for number in range(30))]
    begun = begin(client, *lines)
    until(client, begun, lambda one: bool(one.request_counts and one.request_counts.completed == 2))
    with pytest.raises(openai.ConflictError) as refused:
        client.files.delete(begun.input_file_id)
    assert refused.value.code == "file_in_use"
    cancelled_at = time.monotonic()
    assert client.batches.cancel(begun.id).status == "cancelling"
    batch = ended(client, begun)

    assert time.monotonic() - cancelled_at < 8
    assert batch.status == "cancelled"
    assert batch.cancelled_at
    assert set(entries(client, batch.output_file_id)) == {"quick 1", "quick 2"}
    rest = entries(client, batch.error_file_id)
    assert len(rest) == 30
    assert {entry["error"]["code"] for entry in rest.values()} == {"batch_cancelled"}
    bill = desk.bill(
        key,
        requests=2 + sum(entry["path"] == CHAT and "slow" in str(entry["body"]) for entry in platform.primary.log()),
    )
    assert sum(request.cost > 0 for request in bill.requests) == 2
    assert client.files.delete(begun.input_file_id).deleted


def test_a_budget_that_runs_out_fails_the_rest(platform: Platform, desk: Desk) -> None:
    key = desk.key(monthly_budget=400_000)
    client = platform.client(key.secret)
    batch = ended(client, begin(client, *(chat(f"line {number}") for number in range(40))))

    assert batch.status == "completed"
    refused = entries(client, batch.error_file_id)
    answered = entries(client, batch.output_file_id)
    assert len(answered) > 15
    assert len(refused) > 5
    assert len(answered) + len(refused) == 40
    for entry in refused.values():
        assert entry["response"]["status_code"] == 429
        assert entry["response"]["body"]["error"]["code"] == "insufficient_quota"
    assert desk.bill(key, requests=len(answered)).cost <= 400_000


def test_limits_and_busy_engines_are_waited_for(platform: Platform, desk: Desk) -> None:
    for engine in (platform.primary, platform.second, platform.claude):
        engine.script(times=3, error="queue_full")
    key = desk.key(parallel_limit=2)
    client = platform.client(key.secret)
    batch = ended(client, begin(client, *(chat(f"line {number}", model=SMALL_MODEL) for number in range(8))))
    assert batch.request_counts
    assert batch.request_counts.to_dict() == {"total": 8, "completed": 8, "failed": 0}


def test_an_engine_that_takes_priorities_is_told_that_a_batch_can_wait(platform: Platform) -> None:
    client = platform.client()
    ended(client, begin(client, chat("batch", model=SMALL_MODEL), chat("other")))
    client.chat.completions.create(**chat("live", model=SMALL_MODEL)["body"])
    asked = {entry["body"]["messages"][0]["content"]: entry["body"].get("priority") for entry in platform.primary.log()}
    assert asked == {"Say batch.": 100, "Say other.": None, "Say live.": None}


def test_a_revoked_key_fails_the_rest(platform: Platform, desk: Desk) -> None:
    platform.primary.script(header_delay=0.4)
    key = desk.key()
    watching = platform.client(desk.key().secret)
    client = platform.client(key.secret)
    begun = begin(client, *(chat(f"line {number}") for number in range(80)))
    until(client, begun, lambda one: bool(one.request_counts and one.request_counts.completed > 4))
    desk.call(revoke_key, key)
    batch = ended(watching, begun)
    assert batch.request_counts
    assert batch.request_counts.completed > 4
    assert batch.request_counts.failed > 10
    for entry in entries(watching, batch.error_file_id).values():
        assert entry["response"]["status_code"] == 401


def test_a_suspended_account_fails_the_rest(platform: Platform, desk: Desk) -> None:
    platform.primary.script(header_delay=0.4)
    key = desk.key(account=desk.call(make_account, "Late payer"))
    client = platform.client(key.secret)
    begun = begin(client, *(chat(f"line {number}") for number in range(40)))
    until(client, begun, lambda one: bool(one.request_counts and one.request_counts.completed > 4))
    desk.call(suspend, key.account_id, True)
    with pytest.raises(openai.PermissionDeniedError):
        client.batches.retrieve(begun.id)
    time.sleep(3)
    desk.call(suspend, key.account_id, False)
    batch = ended(client, begun)
    assert batch.request_counts
    assert batch.request_counts.failed > 10
    codes = {entry["response"]["body"]["error"]["code"] for entry in entries(client, batch.error_file_id).values()}
    assert codes == {"account_suspended"}


def test_a_batch_goes_on_by_its_keys_policy_of_now(platform: Platform, desk: Desk) -> None:
    key = desk.key()
    client = platform.client(key.secret)
    desk.call(change_key, key, {"allowed_models": (SMALL_MODEL,), "allowed_endpoints": ()})
    batch = ended(client, begin(client, chat("moon"), chat("small", model=SMALL_MODEL)))
    assert set(entries(client, batch.output_file_id)) == {"small"}
    assert entries(client, batch.error_file_id)["moon"]["response"]["status_code"] == 403


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_another_worker_goes_on_and_nothing_is_charged_twice(
    platform: Platform, desk: Desk, number: signal.Signals
) -> None:
    platform.primary.script(header_delay=0.5)
    key = desk.key()
    client = platform.client(key.secret)
    lines = [chat(f"line {number}") for number in range(60)]
    begun = begin(client, *lines)
    until(client, begun, lambda one: bool(one.request_counts and one.request_counts.completed >= 8))
    (worker,) = platform.workers()
    if number == signal.SIGKILL:
        os.killpg(worker, number)
    else:
        os.kill(worker, number)
    told = time.monotonic()
    while worker in platform.workers():
        assert time.monotonic() - told < 12  # it does not wait for the rest of the batch
        time.sleep(0.1)
    batch = ended(client, begun, seconds=90)

    assert batch.status == "completed"
    assert batch.request_counts
    assert batch.request_counts.to_dict() == {"total": 60, "completed": 60, "failed": 0}
    assert set(entries(client, batch.output_file_id)) == {line["custom_id"] for line in lines}
    rows = desk.call(bill_of, key.public_id).requests
    assert desk.call(spent_by, key) == sum(row.cost for row in rows)  # what budgets go by
    charged = [row.request_id for row in rows if row.cost]
    lines_charged = {request_id.removeprefix(f"req_{begun.id}_").partition("_r")[0] for request_id in charged}
    assert len(charged) == len(lines_charged) == 60
