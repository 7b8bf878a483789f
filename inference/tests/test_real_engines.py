"""Real engines against each other and against OpenAI's client; run by `make test-engine`."""

import json
import re
from pathlib import Path

import httpx
import openai
import pytest

from inference.launcher import Engine, launch
from inference.planning.memory import GIB, need_of
from inference.planning.wishes import Model
from inference.ports import free_port
from inference.profiles import PROFILES, EngineProfile

pytestmark = pytest.mark.engine
VLLM_CPU_BLOCK = 128  # tokens

TEXTS = [
    "The quick brown fox jumps over the lazy dog.",
    "How do I reset my password?",
    "PostgreSQL stores rows in pages of eight kilobytes.",
    "invoice",
    "¿Dónde está la biblioteca?",
    "Die Würde des Menschen ist unantastbar.",
    "def add(a, b):\n    return a + b",
    "2 + 2 = 4",
    "🙂 emoji and punctuation!!!",
    "東京は日本の首都です。",
    "A long sentence that goes on and on about nothing in particular, so that lengths differ a good deal.",
    "a",
]


async def up(profile: EngineProfile, home: Path, log: Path) -> Engine:
    return await launch(profile, home=home, port=free_port(), log_path=log, progress=lambda line: None)


async def test_both_embedding_backends_agree(engine_home: Path, tmp_path: Path) -> None:
    onnx = await up(PROFILES["minilm"], engine_home, tmp_path / "onnx.log")
    try:
        other = await up(PROFILES["minilm-sentence-transformers"], engine_home, tmp_path / "st.log")
        try:
            pairs = [await _embed(engine) for engine in (onnx, other)]
        finally:
            await other.stop()
    finally:
        await onnx.stop()
    assert pairs[0]["usage"] == pairs[1]["usage"], "both count the same tokens"
    for text, one, two in zip(TEXTS, pairs[0]["data"], pairs[1]["data"], strict=True):
        cosine = sum(a * b for a, b in zip(one["embedding"], two["embedding"], strict=True))
        assert cosine > 0.99, text


async def _embed(engine: Engine) -> dict[str, list[dict[str, list[float]]]]:
    """One text a request: int8 activations depend a little on what else is in the batch."""
    data, tokens = [], 0
    async with httpx.AsyncClient(timeout=60) as client:
        for text in TEXTS:
            body = {"model": engine.profile.model, "input": text}
            answer = (await client.post(f"{engine.base_url}/v1/embeddings", json=body)).json()
            data.append(answer["data"][0])
            tokens += answer["usage"]["prompt_tokens"]
    return {"data": data, "usage": [{"tokens": [tokens]}]}


@pytest.mark.parametrize("name", ["llamacpp", "vllm-cpu"])
async def test_a_real_model_chats(name: str, engine_home: Path, tmp_path: Path) -> None:
    engine = await up(PROFILES[name], engine_home, tmp_path / "engine.log")
    try:
        async with openai.AsyncOpenAI(base_url=f"{engine.base_url}/v1", api_key="-", max_retries=0) as client:
            await _chat(client, engine.profile)
    finally:
        await engine.stop()


async def test_vllms_cache_holds_what_the_planner_says(engine_home: Path, tmp_path: Path) -> None:
    """By vLLM's own report, for the gibibyte that its profile gives it."""
    profile = PROFILES["vllm-cpu"]
    engine = await up(profile, engine_home, tmp_path / "engine.log")
    await engine.stop()
    (config,) = engine_home.glob("models/*/config.json")
    wanted = Model(name=profile.model, source="", config=json.loads(config.read_text()), max_model_len=2048)
    found = re.search(r"KV cache size: ([\d,]+) tokens", (tmp_path / "engine.log").read_text())
    assert found
    reported = int(found[1].replace(",", ""))
    assert reported == pytest.approx(GIB // need_of(wanted).kv_bytes_per_token, abs=VLLM_CPU_BLOCK)


async def _chat(client: openai.AsyncOpenAI, profile: EngineProfile) -> None:
    question = "What is the capital of France? Answer in one sentence."
    whole = await client.chat.completions.create(
        model=profile.model, messages=[{"role": "user", "content": question}], temperature=0, max_tokens=48
    )
    assert "Paris" in (whole.choices[0].message.content or "")
    assert whole.usage is not None
    stream = await client.chat.completions.create(
        model=profile.model,
        messages=[{"role": "user", "content": question}],
        temperature=0,
        max_tokens=48,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
