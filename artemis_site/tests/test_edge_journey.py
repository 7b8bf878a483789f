"""The whole platform behind the edge: a real nginx with TLS and its key check, the official client, real planes."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openai import OpenAI

from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import Key
from artemis_site.tests.planes import Plane
from artemis_site.tests.platform import SMALL_MODEL, Platform
from deploy.edge.tests.edge import Edge, needs_nginx

pytestmark = needs_nginx
CHAT: dict[str, Any] = {"model": SMALL_MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}


@pytest.fixture(scope="module")
def plane(running_platform: Platform) -> Iterator[Plane]:
    with Plane(running_platform) as plane:
        yield plane


@pytest.fixture(scope="module")
def edge(plane: Plane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    edge = Edge(tmp_path_factory.mktemp("edge"), plane.address, plane.address)
    edge.start()
    yield edge
    edge.stop()


def bearer(key: Key) -> dict[str, str]:
    return {"Authorization": f"Bearer {key.secret}"}


def ask(edge: Edge, key: Key, path: str = "/v1/chat/completions", **fields: Any) -> httpx.Response:
    with edge.client(headers=bearer(key)) as client:
        return client.post(path, json={**CHAT, **fields})


def test_a_completion_whole_and_streamed(edge: Edge, key: Key, desk: Desk) -> None:
    options: dict[str, Any] = {"base_url": f"{edge.url}/v1", "api_key": key.secret, "max_retries": 0}
    with OpenAI(**options, http_client=edge.client()) as client:
        whole = client.chat.completions.create(**CHAT)
        assert whole.choices[0].message.content
        chunks = list(client.chat.completions.create(**CHAT, stream=True))
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said == whole.choices[0].message.content
    assert len(desk.bill(key, requests=2).requests) == 2


def test_a_request_has_one_id_in_the_answer_in_the_log_and_on_the_bill(edge: Edge, key: Key, desk: Desk) -> None:
    with edge.client(headers=bearer(key)) as client:
        mine = {"x-request-id": f"req_{'0' * 24}"}
        answers = [client.post("/v1/chat/completions", json=CHAT, headers=mine) for _ in range(2)]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert len({*ids, mine["x-request-id"]}) == 3
    billed = desk.bill(key, requests=2)
    assert {request.request_id for request in billed.requests} == set(ids)
    assert edge.entry(request_id=ids[0])["status"] == 200
    assert edge.entry(request_id=ids[0])["client_request_id"] == mine["x-request-id"]


def test_a_refusal_has_an_id_too(edge: Edge) -> None:
    with edge.client() as client:
        answer = client.post("/v1/chat/completions", json=CHAT)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "missing_api_key")
    assert answer.json()["error"]["request_id"] == answer.headers["x-request-id"]
    assert edge.entry(request_id=answer.headers["x-request-id"])["status"] == 401
