"""Reranking through a real socket: the order, the documents, the bill, and what is refused."""

from typing import Any

import pytest

from artemis_site.tests.desk import Desk
from artemis_site.tests.platform import EMBEDDING_MODEL, RERANK_MODEL, Platform

DOCUMENTS: list[Any] = ["bread and butter", "the moon rises", {"text": "the moon is far away"}]
SEARCH = 500_000  # nano-dollars
RERANK: dict[str, Any] = {"model": RERANK_MODEL, "query": "the moon is far", "documents": DOCUMENTS}


def test_documents_are_ranked_and_billed_by_what_the_engine_read(platform: Platform, desk: Desk) -> None:
    key = desk.key()
    answer = platform.post("/v1/rerank", json=RERANK, api_key=key.secret)

    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert [one["index"] for one in body["results"]] == [2, 1, 0]
    assert [one["relevance_score"] for one in body["results"]] == [1.0, 0.5, 0.0]
    assert body["results"][0]["document"] == {"text": "the moon is far away"}
    assert body["model"] == RERANK_MODEL
    (request,) = desk.bill(key, requests=1).requests
    assert (request.endpoint, request.estimated, request.output_tokens) == ("rerank", False, 0)
    assert request.input_tokens == body["usage"]["total_tokens"]
    assert (request.searches, request.cost) == (1, request.input_tokens * 1000 + SEARCH)
    (entry,) = platform.primary.log()
    assert entry["path"] == "/v1/rerank"
    assert entry["body"]["documents"] == ["bread and butter", "the moon rises", "the moon is far away"]


def test_only_the_best_and_without_their_documents(platform: Platform) -> None:
    answer = platform.post("/v1/rerank", json={**RERANK, "top_n": 1, "return_documents": False}).json()
    assert answer["results"] == [{"index": 2, "relevance_score": 1.0}]


def test_an_engine_that_does_not_count_is_estimated(platform: Platform, desk: Desk) -> None:
    platform.primary.script(omit_usage=True)
    key = desk.key()
    answer = platform.post("/v1/rerank", json=RERANK, api_key=key.secret)

    assert "usage" not in answer.json()
    (request,) = desk.bill(key, requests=1).requests
    assert request.estimated
    assert request.input_tokens > 0
    assert request.cost == request.input_tokens * 1000 + SEARCH


def test_each_hundred_documents_begun_are_a_search(platform: Platform, desk: Desk) -> None:
    key = desk.key()
    asked = {**RERANK, "documents": ["the moon"] * 201}
    assert platform.post("/v1/rerank", json=asked, api_key=key.secret).status_code == 200
    platform.primary.script(status=503)
    assert platform.post("/v1/rerank", json=asked, api_key=key.secret).status_code == 503
    failed, ranked = desk.bill(key, requests=2).requests
    assert (ranked.searches, ranked.cost) == (3, ranked.input_tokens * 1000 + 3 * SEARCH)
    assert (failed.searches, failed.cost) == (0, 0)


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"documents": []}, "documents", "invalid_value"),
        ({"documents": ["a", " "]}, "documents", "invalid_value"),
        ({"documents": ["a"] * 1001}, "documents", "invalid_value"),
        ({"documents": [{"text": "a", "url": "b"}]}, "documents[0].url", "unknown_parameter"),
        ({"query": ""}, "query", "invalid_value"),
        ({"top_n": 0}, "top_n", "invalid_value"),
        ({"truncate": 5}, "truncate", "unknown_parameter"),
        ({"model": EMBEDDING_MODEL}, "model", "invalid_value"),
        ({"model": "nobody"}, "model", "model_not_found"),
    ],
)
def test_what_is_refused(platform: Platform, fields: dict[str, Any], param: str, code: str) -> None:
    answer = platform.post("/v1/rerank", json=RERANK | fields)
    error = answer.json()["error"]
    assert answer.status_code == (404 if code == "model_not_found" else 400)
    assert (error["param"], error["code"]) == (param, code)
    assert not platform.primary.log()


def test_a_busy_ranker_is_a_503(platform: Platform, desk: Desk) -> None:
    platform.primary.script(error="queue_full")
    key = desk.key()
    assert platform.post("/v1/rerank", json=RERANK, api_key=key.secret).status_code == 503
    assert desk.bill(key, requests=1).cost == 0
