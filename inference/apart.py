"""Serves what llama.cpp answers otherwise than OpenAI: asks for each choice apart, joins the answers, counts them all.

Of several choices or prompts its usage counts the first alone; of a streamed completion it stands beside the last
choice, where no client looks for it.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from inference.client import NO_LIMITS, EngineClient, TimeLimits, Upstream
from inference.errors import EngineGarbled
from inference.router import Deployment

END = b"\n\n"
DATA = b"data: "
DONE = b"data: [DONE]"
MOST_APART = 32  # choices of one call, and so its connections
OPENED_AT_ONCE = 8
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode
Payload = dict[str, Any]


async def open_apart(
    client: EngineClient,
    deployment: Deployment,
    path: str,
    payload: Payload,
    *,
    stream: bool,
    limits: TimeLimits = NO_LIMITS,
) -> "Apart":
    """One request for each choice of each prompt. Raises EngineError unless all of them are answered with 200."""
    requests, choices = requests_apart(payload)
    turn = asyncio.Semaphore(OPENED_AT_ONCE)

    async def opened(request: Payload) -> Upstream:
        async with turn:
            return await client.open(deployment, path, _encode(request), stream=stream, limits=limits)

    opening = [asyncio.create_task(opened(request)) for request in requests]
    try:
        parts = await asyncio.gather(*opening)
    except BaseException:
        for task in opening:
            task.cancel()
        for part in await asyncio.gather(*opening, return_exceptions=True):
            if not isinstance(part, BaseException):
                await part.close()
        raise
    return Apart([Part(index, part, billed=index % choices == 0) for index, part in enumerate(parts)])


def requests_apart(payload: Payload) -> tuple[list[Payload], int]:
    """The requests, prompt by prompt, and how many choices each prompt gets. A seed is counted on, as vLLM does."""
    rest = {name: value for name, value in payload.items() if name not in ("n", "best_of", "prompt", "seed")}
    choices: int = payload.get("n") or 1
    seed = payload.get("seed")
    seeds = [{} if seed is None else {"seed": seed + number} for number in range(choices)]
    return [{**rest, **prompt, **one} for prompt in _prompts(payload) for one in seeds], choices


def _prompts(payload: Payload) -> list[Payload]:
    """Of a completion: texts or lists of tokens. A chat has none."""
    if "prompt" not in payload:
        return [{}]
    prompt = payload["prompt"]
    several = isinstance(prompt, list) and not isinstance(prompt[0], int)
    return [{"prompt": one} for one in (prompt if several else [prompt])]


class _CachedRead(msgspec.Struct):
    cached_tokens: int = 0


class _UsageRead(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _CachedRead | None = None


class _Read(msgspec.Struct):
    """What is read of an answer or an event, and must be of this kind; the rest is passed on as it is."""

    choices: list[dict[str, Any]] | None = None
    usage: _UsageRead | None = None


@dataclass(slots=True)
class Part:
    """One choice on its way. `billed`: its prompt counts; that of the further choices is the same one."""

    index: int
    upstream: Upstream
    billed: bool
    usage: dict[str, Any] | None = None
    pending: bytes = b""
    done: bool = False


class Apart:
    """An Upstream made of several."""

    def __init__(self, parts: list[Part]) -> None:
        self._parts = parts
        self._reads: dict[asyncio.Task[bytes], Part] = {}
        self._head: dict[str, Any] = {}
        self._begun = self._ended = False

    async def body(self) -> bytes:
        answers = [_decoded(body) for body in await asyncio.gather(*(part.upstream.body() for part in self._parts))]
        for part, answer in zip(self._parts, answers, strict=True):
            if not answer.get("choices"):
                raise EngineGarbled("the engine answered without a choice")
            part.usage = answer.get("usage")
        choices = [
            {**choice, "index": part.index}
            for part, answer in zip(self._parts, answers, strict=True)
            for choice in answer["choices"]
        ]
        return _encode({**_head(answers[0]), "choices": choices, "usage": self._usage()})

    async def read(self) -> bytes:
        if not self._begun:
            self._begun = True
            for part in self._parts:
                self._read(part)
        while self._reads:
            finished, _ = await asyncio.wait(self._reads, return_when=asyncio.FIRST_COMPLETED)
            frames: list[bytes] = []
            for task in finished:
                part = self._reads.pop(task)
                frames += self._frames(part, task.result())
                if not part.done:
                    self._read(part)
            if frames:
                return b"".join(frames)
        if self._ended:
            return b""
        self._ended = True
        return DATA + _encode({**self._head, "choices": [], "usage": self._usage()}) + END + DONE + END

    async def close(self, *, finished: bool = False) -> None:
        for task in self._reads:
            task.cancel()
        await asyncio.gather(*self._reads, return_exceptions=True)
        await asyncio.gather(*(part.upstream.close(finished=finished) for part in self._parts))

    def _read(self, part: Part) -> None:
        self._reads[asyncio.ensure_future(part.upstream.read())] = part

    def _frames(self, part: Part, data: bytes) -> Iterator[bytes]:
        """The part's events under its own index; its count and its end are kept back for the end of all."""
        if not data:
            raise EngineGarbled("the engine's stream ended before its answer did")
        *frames, part.pending = (part.pending + data).replace(b"\r\n", b"\n").split(END)
        for frame in frames:
            if frame == DONE:
                part.done = True
            elif frame.startswith(DATA):
                yield from self._event(part, _decoded(frame[len(DATA) :]))

    def _event(self, part: Part, event: dict[str, Any]) -> Iterator[bytes]:
        self._head = self._head or _head(event)
        part.usage = event.pop("usage", None) or part.usage
        event.pop("timings", None)
        if event.get("choices"):
            choices = [{**choice, "index": part.index} for choice in event["choices"]]
            yield DATA + _encode({**event, "id": self._head.get("id"), "choices": choices}) + END
        elif "error" in event:
            yield DATA + _encode(event) + END

    def _usage(self) -> dict[str, Any]:
        counts = [part.usage or {} for part in self._parts]
        prompts = [part.usage or {} for part in self._parts if part.billed]
        prompt = sum(usage.get("prompt_tokens", 0) for usage in prompts)
        output = sum(usage.get("completion_tokens", 0) for usage in counts)
        cached = sum((usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0) for usage in prompts)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": output,
            "total_tokens": prompt + output,
            "prompt_tokens_details": {"cached_tokens": cached},
        }


def _head(event: dict[str, Any]) -> dict[str, Any]:
    """What all events of an answer have in common."""
    return {name: event[name] for name in ("id", "object", "created", "model", "system_fingerprint") if name in event}


def _decoded(data: bytes) -> dict[str, Any]:
    try:
        answer = _decode(data)
        msgspec.convert(answer, _Read)
        return answer
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EngineGarbled(f"the engine sent no valid JSON: {error}") from error
