"""Each scripted fault of the fake engine, as a caller's socket sees it."""

import asyncio
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from inference.fake.control import FakeServer
from inference.tests.waiting import until

BODY: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
STREAM = {**BODY, "stream": True}


def ask(fake: FakeServer, body: dict[str, Any] = BODY, timeout: float = 5.0) -> httpx.Response:
    return httpx.post(f"{fake.base_url}/v1/chat/completions", json=body, timeout=timeout)


def read_until_broken(fake: FakeServer, timeout: float = 1.0) -> tuple[list[str], type[Exception] | None]:
    """The lines of a stream, and how it broke."""
    lines: list[str] = []
    url = f"{fake.base_url}/v1/chat/completions"
    try:
        with httpx.stream("POST", url, json=STREAM, timeout=timeout) as response:
            lines.extend(line for line in response.iter_lines() if line)
    except httpx.HTTPError as error:
        return lines, type(error)
    return lines, None


def test_an_error_status_for_the_first_requests(fake: FakeServer) -> None:
    fake.script(status=429, retry_after="7", times=2)
    answers = [ask(fake) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["retry-after"] == "7"
    assert "message" in answers[0].json()["error"]


def test_a_body_of_ones_own_and_html_with_200(fake: FakeServer) -> None:
    fake.script(status=500, body={"detail": "x"}, times=1)
    fake.script(status=200, body="<html>hello</html>", times=1)
    assert ask(fake).json() == {"detail": "x"}
    page = ask(fake)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        ("context_length", 400, 400),
        ("content_policy", 400, "content_policy_violation"),
        ("queue_full", 503, 503),
    ],
)
def test_presets(fake: FakeServer, error: str, status: int, code: object) -> None:
    fake.script(error=error, times=1)
    answer = ask(fake, STREAM)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert ask(fake).status_code == 200


def test_a_script_for_marked_requests_only(fake: FakeServer) -> None:
    fake.script(status=500, match="poison")
    assert ask(fake).status_code == 200
    poisoned = {**BODY, "messages": [{"role": "user", "content": "take this poison"}]}
    assert ask(fake, poisoned).status_code == 500


def test_reset_before_headers(fake: FakeServer) -> None:
    fake.script(reset=True, times=1)
    with pytest.raises(httpx.ReadError):
        ask(fake)
    assert ask(fake).status_code == 200
    assert fake.log()[0]["fault"] == "reset"


def test_a_request_whose_head_alone_has_come_is_not_told_of(fake: FakeServer) -> None:
    """Who waits for a request to come looks into its body."""
    body = json.dumps(BODY).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: fake\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", fake.port)) as connection:
        connection.sendall(head.encode() + body[:5])
        asyncio.run(until(lambda: fake.counters()["requests"] == 1))
        assert fake.log() == []
        connection.sendall(body[5:])
        assert fake.wait_log(lambda one: True)["body"] == BODY


def test_silence(fake: FakeServer) -> None:
    fake.script(silent=True, times=1)
    with pytest.raises(httpx.ReadTimeout):
        ask(fake, timeout=0.3)
    entry = fake.wait_log(lambda one: one["disconnected"])
    assert entry["disconnected_after"] >= 0.3


def test_delays(fake: FakeServer) -> None:
    fake.script(header_delay=0.1, first_token_delay=0.1, tokens_per_second=100, output_tokens=11)
    began = time.monotonic()
    moments: list[float] = []
    url = f"{fake.base_url}/v1/chat/completions"
    with httpx.stream("POST", url, json=STREAM) as response:
        assert time.monotonic() - began >= 0.1
        moments.extend(time.monotonic() - began for line in response.iter_lines() if "fake engine" in line)
    assert moments[0] >= 0.2
    assert moments[-1] >= 0.3, "eleven tokens take ten intervals"


def test_cut_after_chunks(fake: FakeServer) -> None:
    fake.script(cut_after=3, times=2)
    lines, broken = read_until_broken(fake)
    assert (len(lines), broken) == (3, httpx.RemoteProtocolError)
    with pytest.raises(httpx.RemoteProtocolError):
        ask(fake)


def test_stall_after_chunks(fake: FakeServer) -> None:
    fake.script(stall_after=2)
    lines, broken = read_until_broken(fake, timeout=0.3)
    assert (len(lines), broken) == (2, httpx.ReadTimeout)
    assert fake.wait_log(lambda one: one["disconnected"])["delivered_tokens"] == 1


@pytest.mark.parametrize(("kind", "size"), [("json", 80), ("html", 50), ("long_line", 10 << 20)])
def test_a_malformed_event(fake: FakeServer, kind: str, size: int) -> None:
    fake.script(malformed_after=2, malformed=kind)
    lines, broken = read_until_broken(fake, timeout=5)
    assert broken is None
    assert lines[-1] == "data: [DONE]"
    assert len(lines[2]) >= size - 10
    with pytest.raises(json.JSONDecodeError):
        json.loads(lines[2].removeprefix("data: "))


def test_an_error_event_within_the_stream(fake: FakeServer) -> None:
    fake.script(error_after=2)
    lines, broken = read_until_broken(fake)
    assert broken is None
    assert json.loads(lines[2].removeprefix("data: "))["error"]["code"] == 500


def test_missing_done_and_missing_usage(fake: FakeServer) -> None:
    fake.script(omit_done=True, omit_usage=True)
    lines, broken = read_until_broken(fake)
    assert broken is None
    assert "[DONE]" not in "".join(lines)
    assert "usage" not in ask(fake).json()


def test_a_finish_reason_of_ones_own(fake: FakeServer) -> None:
    fake.script(finish_reason="content_filter", output_tokens=1)
    assert ask(fake).json()["choices"][0]["finish_reason"] == "content_filter"


def test_texts_of_ones_own_in_split_characters(fake: FakeServer) -> None:
    texts = ["data: [DONE]\n\n", "\u2028\r\nevent: x", "héé 🙂"]
    fake.script(texts=texts, split_bytes=1)
    answer = ask(fake, STREAM)
    datas = [block.removeprefix("data: ") for block in answer.content.decode().split("\n\n") if block]
    contents = [json.loads(data)["choices"][0]["delta"].get("content") for data in datas[:-1]]
    assert contents == ["", *texts]


def test_the_process_dies(port: int) -> None:
    with FakeServer(port=port) as fake:
        fake.script(exit_on_request=True)
        with pytest.raises(httpx.RemoteProtocolError):
            ask(fake)
        assert fake.wait_dead() == 1
        fake.start()
        fake.script(exit_after=3)
        lines, broken = read_until_broken(fake)
        assert (len(lines), broken) == (3, httpx.RemoteProtocolError)
        assert fake.wait_dead() == 1


async def test_a_hang_up_stops_the_generation(fake: FakeServer) -> None:
    fake.script(tokens_per_second=50, output_tokens=500)
    url = f"{fake.base_url}/v1/chat/completions"
    async with httpx.AsyncClient() as client, client.stream("POST", url, json=STREAM) as response:
        async for line in response.aiter_lines():
            if "token 3" in line:
                break
    entry = fake.wait_log(lambda one: one["disconnected"])
    assert 3 <= entry["delivered_tokens"] < 50
    assert fake.counters()["abort"] == 1
    await until(lambda: fake.counters()["running"] == 0)


async def test_a_full_engine_queues_and_then_refuses() -> None:
    with FakeServer("--max-running", "1", "--max-queued", "1", "--first-token-delay", "0.5") as fake:
        url = f"{fake.base_url}/v1/chat/completions"
        async with httpx.AsyncClient(timeout=10) as client:
            first = asyncio.create_task(client.post(url, json=BODY))
            await until(lambda: fake.counters()["running"] == 1)
            second = asyncio.create_task(client.post(url, json=BODY))
            await until(lambda: fake.counters()["waiting"] == 1)
            third = await client.post(url, json=BODY)
            assert third.status_code == 503
            assert [(await first).status_code, (await second).status_code] == [200, 200]
        page = fake.get("/metrics").decode()
        assert 'admission_rejections_total{engine="0",model_name="fake-model",reason="max_num_queued_reqs"} 1.0' in page


async def test_at_sigterm_what_runs_is_finished_and_what_is_new_refused() -> None:
    with FakeServer("--shutdown-timeout", "20", "--output-tokens", "20", "--tokens-per-second", "10") as engine:
        with ThreadPoolExecutor() as pool:
            running = pool.submit(ask, engine, {**STREAM, "max_tokens": 20}, 10)
            engine.wait_log(lambda entry: entry["delivered_tokens"] > 2)
            stopping = pool.submit(engine.drain)
            await until(lambda: ask(engine, timeout=10).status_code == 500)
            assert running.result().text.rstrip().endswith("data: [DONE]")
            assert stopping.result() == 0
        with pytest.raises(httpx.ConnectError):
            ask(engine)


def test_an_unknown_fault_is_refused(fake: FakeServer) -> None:
    with pytest.raises(ValueError, match="stahl_after"):
        fake.script(stahl_after=3)
    with pytest.raises(ValueError, match="malformed is one of"):
        fake.script(malformed="xml")


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"model":"m"}', b'{"model":"m","messages":[]}', b'{"messages":[]}', b"\xff"]
)
def test_bad_bodies_are_refused(fake: FakeServer, body: bytes) -> None:
    assert httpx.post(f"{fake.base_url}/v1/chat/completions", content=body).status_code in (400, 404)
