"""OpenAI's admin API of usage and costs, through a real socket: its form, its sums, and who may see them."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import httpx
import pytest
from openai import OpenAI
from openai.types.admin.organization import (
    UsageCompletionsResponse,
    UsageCostsResponse,
    UsageEmbeddingsResponse,
)
from pydantic import BaseModel

from apps.usage.selectors import totals_of_account
from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import Key, charged, make_account, make_project, people_key, prepay, use
from artemis_site.tests.platform import EMBEDDING_MODEL, MODEL, RERANK_MODEL, Platform
from artemis_site.tests.test_rerank_journey import RERANK

ROOT = "/v1/organization"
COMPLETIONS, EMBEDDINGS, COSTS = f"{ROOT}/usage/completions", f"{ROOT}/usage/embeddings", f"{ROOT}/costs"
FORMS: dict[str, type[BaseModel]] = {
    COMPLETIONS: UsageCompletionsResponse,
    EMBEDDINGS: UsageEmbeddingsResponse,
    COSTS: UsageCostsResponse,
}
READS = {"allowed_endpoints": ("organization",)}
MIDNIGHT = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
DAYS = MIDNIGHT - timedelta(days=40)


def seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def ask(platform: Platform, path: str, key: str, **query: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.get(platform.base_url + path, params=query, headers=headers, timeout=30)


def told(platform: Platform, path: str, key: str, **query: Any) -> Any:
    """The answer, which has OpenAI's form and nothing else; its numbers as they stand there."""
    answer = ask(platform, path, key, **query)
    assert answer.status_code == 200, answer.text
    if path in FORMS:
        nothing_else(FORMS[path].model_validate(answer.json(), strict=True))
    return json.loads(answer.text, parse_float=Decimal)


def nothing_else(part: Any) -> None:
    if isinstance(part, BaseModel):
        assert not part.model_extra, part
        for name in type(part).model_fields:
            nothing_else(getattr(part, name))
    elif isinstance(part, list):
        for one in part:
            nothing_else(one)


def nano(results: list[Any]) -> int:
    assert all(one["amount"]["currency"] == "usd" for one in results)
    exact = [Decimal(one["amount"]["value"]) * 10**9 for one in results]
    assert all(one == one.to_integral_value() for one in exact)
    return int(sum(exact))


@pytest.fixture(scope="module")
def account(desk: Desk) -> str:
    """Forty days of use, in every third hour of them, by two projects, in sums that no float holds."""
    slug = desk.call(make_account, "Books and Numbers")
    desk.call(make_project, slug, "Game")
    for number, project in enumerate(("default", "game")):
        key = desk.call(people_key, slug, project, {})
        desk.call(
            use,
            key,
            [
                {
                    "started_at": (DAYS + timedelta(hours=hour, minutes=30)).isoformat(),
                    "model": (MODEL, EMBEDDING_MODEL, RERANK_MODEL)[hour % 9 // 3],
                    "input_tokens": 100 + hour,
                    "cached_input_tokens": 40,
                    "output_tokens": 7,
                    "searches": 1,
                    "service_tier": "batch" if hour % 2 else "default",
                    "cost": 123_456_789_012_345 + hour + number,
                }
                for hour in range(0, 40 * 24, 3)
            ],
        )
    return slug


@pytest.fixture
def reader(desk: Desk, account: str) -> Key:
    return desk.key(account=account, **READS)


@pytest.fixture
def admin(platform: Platform, reader: Key) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{platform.base_url}/v1", admin_api_key=reader.secret, max_retries=0) as client:
        yield client


def test_calls_appear_by_who_made_them(platform: Platform, desk: Desk) -> None:
    """Of each kind at its own address, within seconds."""
    slug = desk.call(make_account, "Three Calls")
    began = int(time.time())
    key = desk.call(people_key, slug, "default", {})
    client = platform.client(key.secret)
    said = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hello"}])
    client.embeddings.create(model=EMBEDDING_MODEL, input="Hello")
    assert platform.post("/v1/rerank", json=RERANK, api_key=key.secret).status_code == 200
    bill = desk.bill(key, requests=3)
    reader = desk.key(account=slug, **READS).secret

    asked = {"start_time": began, "bucket_width": "1h", "group_by[]": ["project_id", "user_id", "api_key_id", "model"]}
    who = {"project_id": "default", "user_id": "three-calls@example.com", "api_key_id": key.public_id}
    (completed,) = results(told(platform, COMPLETIONS, reader, **asked))
    assert said.usage
    assert completed == {
        "object": "organization.usage.completions.result",
        "input_tokens": said.usage.prompt_tokens,
        "output_tokens": said.usage.completion_tokens,
        "input_cached_tokens": bill.requests[-1].cached_input_tokens,
        "input_audio_tokens": 0,
        "output_audio_tokens": 0,
        "num_model_requests": 1,
        "batch": None,
        "service_tier": None,
        "model": MODEL,
        **who,
    }
    (embedded,) = results(told(platform, EMBEDDINGS, reader, **asked))
    assert embedded == {
        "object": "organization.usage.embeddings.result",
        "input_tokens": bill.requests[1].input_tokens,
        "num_model_requests": 1,
        "model": EMBEDDING_MODEL,
        **who,
    }
    (ranked,) = results(told(platform, f"{ROOT}/usage/rerank", reader, **asked))
    assert (ranked["num_searches"], ranked["num_model_requests"], ranked["model"]) == (1, 1, RERANK_MODEL)
    assert nano(results(told(platform, COSTS, reader, start_time=began))) == bill.cost


def results(page: Any) -> list[Any]:
    return [result for bucket in page["data"] for result in bucket["results"]]


def test_openais_client_turns_the_pages(admin: OpenAI) -> None:
    """Each day once; a group for each project and model in it."""
    asked: dict[str, Any] = {"start_time": seconds(DAYS), "end_time": seconds(MIDNIGHT), "limit": 31}
    page = admin.admin.organization.usage.completions(**asked, group_by=["project_id", "model"])
    assert (page.has_more, len(page.data)) == (True, 31)
    assert page.next_page
    rest = admin.admin.organization.usage.completions(**asked, group_by=["project_id", "model"], page=page.next_page)
    assert (rest.has_more, rest.next_page, len(rest.data)) == (False, None, 9)
    buckets = [*page.data, *rest.data]
    assert [bucket.start_time for bucket in buckets] == [seconds(DAYS) + 86_400 * day for day in range(40)]
    found: list[Any] = [result for bucket in buckets for result in bucket.results]
    assert {(one.project_id, one.model) for one in found} == {("default", MODEL), ("game", MODEL)}
    assert sum(one.num_model_requests for one in found) == 2 * 107
    costs = admin.admin.organization.usage.costs(start_time=seconds(DAYS), limit=180, group_by=["line_item"])
    lines: Any = {result.line_item for bucket in costs.data for result in bucket.results}  # type: ignore[union-attr]
    assert lines == {MODEL, EMBEDDING_MODEL, RERANK_MODEL}


@pytest.mark.parametrize("groups", [[], ["line_item"], ["project_id"], ["project_id", "line_item", "api_key_id"]])
def test_costs_are_the_ledgers_to_the_last_nano_dollar(
    platform: Platform, desk: Desk, reader: Key, groups: list[str]
) -> None:
    asked = {"start_time": seconds(DAYS), "limit": 180}
    page = told(platform, COSTS, reader.secret, **asked, group_by=groups)
    assert page["has_more"] is False
    assert len(page["data"]) == 41
    assert nano(results(page)) == desk.call(charged, reader.account_id)
    assert nano(results(page)) == desk.call(totals_of_account, account_id=reader.account_id, since=DAYS).cost


@pytest.mark.parametrize("width", ["1h", "1d"])
@pytest.mark.parametrize("groups", [[], ["model", "batch", "service_tier"], ["api_key_id", "project_id", "batch"]])
def test_usage_is_that_of_the_usage_page(
    platform: Platform, desk: Desk, reader: Key, width: str, groups: list[str]
) -> None:
    """From any hour to any other: a day that is not whole is told as far as it was asked for."""
    since, until = MIDNIGHT - timedelta(days=5, hours=7), MIDNIGHT - timedelta(hours=11)
    asked: dict[str, Any] = {"start_time": seconds(since), "end_time": seconds(until), "bucket_width": width}
    asked["limit"] = 168 if width == "1h" else 31
    found = [
        result
        for path in (COMPLETIONS, EMBEDDINGS, f"{ROOT}/usage/rerank")
        for result in results(
            told(
                platform,
                path,
                reader.secret,
                **asked,
                group_by=[
                    name for name in groups if path == COMPLETIONS or name in ("model", "api_key_id", "project_id")
                ],
            )
        )
    ]
    totals = desk.call(totals_of_account, account_id=reader.account_id, since=since, until=until)
    assert sum(one["num_model_requests"] for one in found) == totals.requests > 0
    assert sum(one["input_tokens"] for one in found) == totals.input_tokens
    if "batch" in groups:
        assert {one["batch"] for one in found if "batch" in one} == {True, False}
    if "service_tier" in groups:
        assert all(one["batch"] == (one["service_tier"] == "batch") for one in found if "batch" in one)


def test_use_is_held_to_what_is_named(platform: Platform, reader: Key) -> None:
    asked = {"start_time": seconds(DAYS), "limit": 31}

    def requests(**filters: Any) -> int:
        return sum(
            one["num_model_requests"] for one in results(told(platform, COMPLETIONS, reader.secret, **asked, **filters))
        )

    everything = requests()
    assert everything == 2 * requests(**{"project_ids[]": "game"}) > 0
    assert everything == requests(batch="true") + requests(batch="false")
    assert 0 < requests(batch="true") < everything
    assert requests(batch="true") == 2 * requests(batch="true", project_ids="game")
    assert requests(user_ids="books-and-numbers@example.com", models=[MODEL, "sun"]) == everything
    assert requests(models=EMBEDDING_MODEL) == requests(user_ids="nobody@example.com") == 0


def test_no_other_account_sees_any_of_it(platform: Platform, desk: Desk, account: str) -> None:
    stranger = desk.key(account=desk.call(make_account, "Strangers"), **READS).secret
    asked = {"start_time": seconds(DAYS), "limit": 31}
    for path in FORMS:
        page = told(platform, path, stranger, **asked)
        assert results(page) == []
    theirs = desk.call(people_key, account, "game", {}).public_id
    for filters in ({"project_ids": "game"}, {"api_key_ids": theirs}):
        refused = ask(platform, COMPLETIONS, stranger, **asked, **filters)
        assert (refused.status_code, refused.json()["error"]["param"]) == (404, next(iter(filters)))
    assert results(told(platform, COMPLETIONS, stranger, **asked, user_ids="books-and-numbers@example.com")) == []


def test_a_key_must_be_for_it(platform: Platform, desk: Desk, account: str) -> None:
    """One that may call every model tells nobody what the others spend; and one for this calls none."""
    asked = {"start_time": seconds(DAYS)}
    for usual in (desk.key(account=account), desk.key(account=account, allowed_endpoints=("chat.completions",))):
        refused = ask(platform, COSTS, usual.secret, **asked)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "endpoint_not_allowed")
        assert "Usage and costs of the account" in refused.json()["error"]["message"]
    reader = desk.key(account=account, **READS).secret
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}
    assert platform.post("/v1/chat/completions", json=body, api_key=reader).status_code == 403
    assert ask(platform, COSTS, "sk-art-junk", **asked).status_code == 401
    made = platform.create_key(endpoints="organization")["key"]
    assert ask(platform, COSTS, made, **asked).status_code == 200
    both = desk.key(account=account, allowed_endpoints=("organization", "chat.completions")).secret
    assert platform.post("/v1/chat/completions", json=body, api_key=both).status_code == 200
    assert ask(platform, COSTS, both, **asked).status_code == 200


def test_who_has_no_credit_left_still_sees_what_it_went_for(platform: Platform, desk: Desk) -> None:
    spent = desk.call(prepay, "Spent Everything", 0)
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}
    assert platform.post("/v1/chat/completions", json=body, api_key=spent.secret).status_code == 429
    desk.call(use, spent, [{"started_at": DAYS.isoformat(), "cost": 77}])
    reader = desk.key(account="spent-everything", **READS).secret
    assert nano(results(told(platform, COSTS, reader, start_time=seconds(DAYS)))) == 77


@pytest.mark.parametrize(
    ("path", "query", "status", "param", "code"),
    [
        (COMPLETIONS, {}, 400, "start_time", "missing_required_parameter"),
        (COMPLETIONS, {"start_time": 0, "bucket_width": "1m"}, 400, "bucket_width", "unsupported_bucket_width"),
        (COSTS, {"start_time": 0, "bucket_width": "1h"}, 400, "bucket_width", "unsupported_bucket_width"),
        (COMPLETIONS, {"start_time": 0, "group_by": "moon"}, 400, "group_by", "invalid_value"),
        (COMPLETIONS, {"start_time": 0, "group_by": "model,batch"}, 400, "group_by", "invalid_value"),
        (COSTS, {"start_time": 0, "group_by": "model"}, 400, "group_by", "invalid_value"),
        (EMBEDDINGS, {"start_time": 0, "group_by": "batch"}, 400, "group_by", "invalid_value"),
        (COMPLETIONS, {"start_time": 0, "limit": 32}, 400, "limit", "invalid_value"),
        (COSTS, {"start_time": 0, "limit": 181}, 400, "limit", "invalid_value"),
        (COSTS, {"start_time": 0, "models": "moon"}, 400, "models", "unknown_parameter"),
        (COMPLETIONS, {"start_time": 9, "end_time": 9}, 400, "end_time", "invalid_value"),
        (COMPLETIONS, {"start_time": 0, "page": "page_ffffffffff"}, 400, "page", "invalid_value"),
        (COMPLETIONS, {"start_time": 0, "project_ids": "moon"}, 404, "project_ids", "not_found"),
        (COMPLETIONS, {"start_time": 0, "api_key_ids": "key_none"}, 404, "api_key_ids", "not_found"),
    ],
)
def test_what_is_refused(
    platform: Platform, reader: Key, path: str, query: dict[str, Any], status: int, param: str, code: str
) -> None:
    answer = ask(platform, path, reader.secret, **query)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (status, param, code)
    assert error["message"]


@pytest.mark.parametrize(
    "name",
    [
        *("images", "audio_speeches", "audio_transcriptions", "moderations", "vector_stores"),
        *("code_interpreter_sessions", "file_search_calls", "web_search_calls"),
    ],
)
def test_what_artemis_does_not_do_has_no_usage(platform: Platform, reader: Key, name: str) -> None:
    answer = ask(platform, f"{ROOT}/usage/{name}", reader.secret, start_time=0)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_the_commands_of_the_documentation_run_as_they_stand(platform: Platform, desk: Desk, account: str) -> None:
    page = httpx.get(f"{platform.base_url}/docs/usage/").text
    commands = re.findall(r'data-runs="(\w+)">(.*?)</code>', page, re.DOTALL)
    assert [program for program, _ in commands] == ["bash", "bash", "python", "bash"]
    keys = {
        "ARTEMIS_ADMIN_KEY": desk.key(account=account, **READS).secret,
        "ARTEMIS_API_KEY": desk.key(account=account).secret,
    }
    said = []
    for program, text in commands:
        command = [sys.executable if program == "python" else program, "-c", unescape(re.sub(r"<[^>]+>", "", text))]
        done = subprocess.run(command, env={**os.environ, **keys}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout)
    costs, hours, months, own = said
    assert nano(results(json.loads(costs, parse_float=Decimal))) > 0
    assert {one["model"] for one in results(json.loads(hours))} <= {MODEL}
    assert len(json.loads(hours)["data"]) == 24
    assert {tuple(line.split()[1:3]) for line in months.splitlines()} == {("default", MODEL), ("game", MODEL)}
    assert json.loads(own)["budget"]["spent_nano_usd"] == 0
