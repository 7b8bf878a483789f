"""The whole platform behind the edge: a real nginx with TLS and its key check, the official clients, a real plane."""

import re
from typing import Any

import anthropic
import httpx
import httpx2
from openai import OpenAI

from artemis_site.tests.desk import Desk
from artemis_site.tests.edges import CHAT, CHAT_PATH, ask, bearer
from artemis_site.tests.errands import Key
from artemis_site.tests.platform import SMALL_MODEL, Platform
from deploy.edge.tests.edge import Edge, needs_nginx

pytestmark = needs_nginx


def test_a_completion_whole_and_streamed(edge: Edge, platform: Platform, key: Key, desk: Desk) -> None:
    options: dict[str, Any] = {"base_url": f"{edge.url}/v1", "api_key": key.secret, "max_retries": 0}
    with OpenAI(**options, http_client=edge.client(http2=True)) as client:
        whole = client.chat.completions.create(**CHAT)
        assert whole.choices[0].message.content
        chunks = list(client.chat.completions.create(**CHAT, stream=True))
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said == whole.choices[0].message.content
    assert len(desk.bill(key, requests=2).requests) == 2


def test_anthropics_client(edge: Edge, platform: Platform, key: Key) -> None:
    options: dict[str, Any] = {"base_url": edge.url, "api_key": key.secret, "max_retries": 0}
    with (
        anthropic.Anthropic(**options, http_client=httpx2.Client(verify=edge.context())) as client,
        client.messages.stream(**CHAT) as stream,
    ):
        assert "".join(stream.text_stream)


def test_a_stream_comes_as_the_engine_makes_it(edge: Edge, platform: Platform, key: Key) -> None:
    """The first words are here long before the last ones are made."""
    platform.primary.script(match="slow", tokens_per_second=20, output_tokens=30)
    body = {**CHAT, "messages": [{"role": "user", "content": "slow"}], "max_tokens": 30, "stream": True}
    with edge.client(headers=bearer(key)) as client, client.stream("POST", CHAT_PATH, json=body) as answer:
        parts = answer.iter_text()
        next(parts)
        assert platform.primary.counters()["running"] == 1
        rest = "".join(parts)
    assert rest.endswith("data: [DONE]\n\n")


def test_a_request_has_one_id_in_the_answer_in_the_log_and_on_the_bill(
    edge: Edge, platform: Platform, key: Key, desk: Desk
) -> None:
    """A caller's own is written down, and no more: the second request with one id would be billed as the first."""
    mine = {"x-request-id": f"req_{'0' * 24}"}
    with edge.client(headers=bearer(key)) as client:
        answers = [client.post(CHAT_PATH, json=CHAT, headers=mine) for _ in range(2)]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert len({*ids, mine["x-request-id"]}) == 3
    assert {request.request_id for request in desk.bill(key, requests=2).requests} == set(ids)
    for one in ids:
        entry = edge.entry(request_id=one)
        assert (entry["status"], entry["client_request_id"]) == (200, mine["x-request-id"])


def test_an_upload_and_a_page(edge: Edge, platform: Platform, key: Key) -> None:
    with edge.client(headers=bearer(key)) as client:
        sent = client.post("/v1/files", files={"file": ("a.jsonl", b"{}\n" * 10)}, data={"purpose": "batch"})
        assert sent.status_code == 200, sent.text
        assert client.get(f"/v1/files/{sent.json()['id']}/content").content == b"{}\n" * 10
    with edge.client(headers={"Host": "localhost"}) as client:
        page = client.get("/docs/")
    assert page.status_code == 200
    assert re.fullmatch(r"req_[0-9a-f]{24}", page.headers["x-request-id"])
    assert "content-security-policy" in page.headers
    assert page.headers["strict-transport-security"]


def test_what_is_only_for_the_house_is_not_reached(edge: Edge, plane: Any, key: Key) -> None:
    """Each is there, for whoever stands where the edge stands."""
    for path in ("/internal/authorize", "/readyz", "/metrics", "/healthz"):
        near = httpx.get(f"http://{plane.address}{path}", headers=bearer(key))
        assert near.status_code in (200, 204), path
    with edge.client(headers=bearer(key)) as client:
        for path in ("/internal/authorize", "/readyz", "/metrics"):
            assert client.get(path).json()["error"]["code"] == "not_found"


def test_two_at_once_are_told_apart(edge: Edge, platform: Platform, key: Key, desk: Desk) -> None:
    other = desk.key()
    answers = [ask(edge, one, model=SMALL_MODEL) for one in (key, other, key)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert len(desk.bill(key, requests=2).requests) == 2
    assert len(desk.bill(other, requests=1).requests) == 1
