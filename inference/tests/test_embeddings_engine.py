"""The real ONNX engine, brought up by the launcher in an environment of its own."""

import asyncio
import base64
import json
import os
import signal
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from inference.launcher import Engine, launch
from inference.ports import free_port
from inference.process import ProcessError
from inference.profiles import PROFILES
from inference.tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODEL = "all-minilm-l6-v2"
KEY = "engine-key"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(engine_home: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    log = tmp_path_factory.mktemp("engine") / "engine.log"
    running = await launch(
        PROFILES["minilm"],
        home=engine_home,
        port=free_port(),
        api_key=KEY,
        threads=1,
        log_path=log,
        progress=lambda line: None,
    )
    yield running
    await running.stop()


async def embed(engine: Engine, **body: Any) -> httpx.Response:
    async with httpx.AsyncClient(timeout=30, headers={"Authorization": f"Bearer {KEY}"}) as client:
        content = json.dumps({"model": MODEL, **body})
        return await client.post(f"{engine.base_url}/v1/embeddings", content=content)


def cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def vectors(engine: Engine, *texts: str) -> list[list[float]]:
    answer = await embed(engine, input=list(texts))
    assert answer.status_code == 200, answer.text
    return [row["embedding"] for row in answer.json()["data"]]


async def test_meaning(engine: Engine) -> None:
    cat, kitten, invoice = await vectors(engine, "a cat sleeps", "a kitten is napping", "the invoice is overdue")
    assert len(cat) == 384
    assert cosine(cat, cat) == pytest.approx(1, abs=1e-4)
    assert cosine(cat, kitten) > 0.5 > 0.2 > cosine(cat, invoice)


async def test_base64_is_the_same_as_float(engine: Engine) -> None:
    floats = (await embed(engine, input="hello")).json()["data"][0]["embedding"]
    packed = (await embed(engine, input="hello", encoding_format="base64")).json()["data"][0]["embedding"]
    assert list(struct.unpack("<384f", base64.b64decode(packed))) == pytest.approx(floats)


async def test_token_ids_are_the_same_as_their_text(engine: Engine) -> None:
    text = (await embed(engine, input="hello world")).json()
    ids = (await embed(engine, input=[7592, 2088])).json()
    several = (await embed(engine, input=[[7592, 2088], [7592]])).json()
    assert ids["data"][0]["embedding"] == pytest.approx(text["data"][0]["embedding"])
    assert [ids["usage"]["prompt_tokens"], several["usage"]["prompt_tokens"]] == [4, 7]


async def test_usage_counts_every_token(engine: Engine) -> None:
    answer = (await embed(engine, input=["hello world", "unbelievable"])).json()
    assert answer["usage"] == {"prompt_tokens": 7, "total_tokens": 7}
    assert [row["index"] for row in answer["data"]] == [0, 1]
    assert answer["model"] == MODEL


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"input": "x", "dimensions": 128}, 400, "dimensions"),
        ({"input": "x", "dimensions": 0}, 400, "dimensions"),
        ({"input": "x", "dimensions": True}, 400, "dimensions"),
        ({"input": "x", "encoding_format": "hex"}, 400, "encoding_format"),
        ({"input": "x", "model": "other"}, 404, "model"),
        ({"input": "x", "modle": "other"}, 400, "modle"),
        ({"input": ""}, 400, "input"),
        ({"input": []}, 400, "input"),
        ({"input": ["ok", ""]}, 400, "input"),
        ({"input": ["ok", 3]}, 400, "input"),
        ({"input": [40_000]}, 400, "input"),
        ({"input": [-1]}, 400, "input"),
        ({"input": ["x"] * 2049}, 400, "input"),
        ({"input": "\ud800"}, 400, "input"),
        ({}, 400, "input"),
    ],
)
async def test_refusals(engine: Engine, body: dict[str, Any], status: int, param: str) -> None:
    answer = await embed(engine, **body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
    assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_the_full_dimensions_may_be_asked_for(engine: Engine) -> None:
    assert (await embed(engine, input="x", dimensions=384)).status_code == 200


async def test_too_long_an_input_is_refused_not_cut(engine: Engine) -> None:
    assert (await embed(engine, input="word " * 254)).status_code == 200
    refused = await embed(engine, input=["ok", "word " * 255])
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "context_length_exceeded"
    assert "256 tokens" in refused.json()["error"]["message"]
    assert "257 tokens" in refused.json()["error"]["message"]


async def test_many_at_once_get_their_own_answers(engine: Engine) -> None:
    texts = [f"number {number} " + "pad " * (number % 7) for number in range(24)]
    alone = [await vectors(engine, text) for text in texts[:3]]
    together = await asyncio.gather(*(vectors(engine, text) for text in texts))
    for one, other in zip(alone, together, strict=False):
        assert cosine(one[0], other[0]) > 0.99, "int8 activations differ a little with the batch"


async def test_health_models_metrics_and_key(engine: Engine) -> None:
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{engine.base_url}/health")).status_code == 200
        assert (await client.get(f"{engine.base_url}/v1/models")).status_code == 401
        metrics = (await client.get(f"{engine.base_url}/metrics")).text
        bad_json = await client.post(
            f"{engine.base_url}/v1/embeddings", content=b"{", headers={"Authorization": f"Bearer {KEY}"}
        )
    assert f'vllm:num_requests_running{{model_name="{MODEL}"}} 0' in metrics
    assert bad_json.status_code == 400


async def test_a_crashed_engine_comes_back(engine: Engine) -> None:
    pid = engine.process.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await until(lambda: engine.process.pid not in (None, pid))
    await engine.process.wait_ready(timeout=20)
    assert await vectors(engine, "still here")


async def test_a_port_taken_by_another_server_is_noticed(engine: Engine, engine_home: Path, tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match=r"address already in use|lists"):
        await launch(
            PROFILES["llamacpp"],
            home=engine_home,
            port=int(engine.base_url.rsplit(":", 1)[1]),
            api_key=KEY,
            log_path=tmp_path / "log",
            progress=lambda line: None,
        )
