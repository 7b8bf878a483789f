"""A platform in front of a real engine, what the engine itself counts, and what the two must agree on."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
import yaml
from anthropic.types import Usage as MessageUsage
from openai import OpenAI
from openai.types.completion_usage import CompletionUsage
from openai.types.responses import ResponseUsage

from artemis_site.tests.platform import RunningPlatform
from deploy.local.platform import ROOT
from deploy.local.ports import free_port
from inference.selection import engine_home

_SAMPLE = re.compile(r"^([a-z]+:\w+)(?:\{[^}]*\})? ([\d.e+]+)$", re.MULTILINE)


@dataclass(frozen=True)
class RealEngine:
    """An engine by the name that ENGINE takes, and its metrics' names. Lists are summed."""

    name: str
    module: str
    """What its process runs."""
    input: tuple[str, ...]
    cached: tuple[str, ...]
    output: tuple[str, ...]
    busy: tuple[str, ...]
    """Requests that it works on or has waiting."""


LLAMACPP = RealEngine(
    name="llamacpp",
    module="inference.servers.llamacpp",
    input=("llamacpp:prompt_tokens_total", "llamacpp:prompt_tokens_cached_total"),  # the first is what was not cached
    cached=("llamacpp:prompt_tokens_cached_total",),
    output=("llamacpp:tokens_predicted_total",),
    busy=("llamacpp:requests_processing", "llamacpp:requests_deferred"),
)
VLLM = RealEngine(
    name="vllm",
    module="vllm.entrypoints.openai.api_server",
    input=("vllm:prompt_tokens_total",),
    cached=("vllm:prompt_tokens_cached_total",),
    output=("vllm:generation_tokens_total",),
    busy=("vllm:num_requests_running", "vllm:num_requests_waiting"),
)


@dataclass(frozen=True)
class Tokens:
    input: int = 0
    cached: int = 0
    output: int = 0

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(self.input + other.input, self.cached + other.cached, self.output + other.output)

    def __sub__(self, other: "Tokens") -> "Tokens":
        return Tokens(self.input - other.input, self.cached - other.cached, self.output - other.output)


def tokens_of(usage: CompletionUsage | None) -> Tokens:
    assert usage is not None
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    details = usage.prompt_tokens_details
    return Tokens(usage.prompt_tokens, (details and details.cached_tokens) or 0, usage.completion_tokens)


def tokens_of_message(usage: MessageUsage) -> Tokens:
    """Anthropic counts cached tokens apart."""
    cached = usage.cache_read_input_tokens or 0
    return Tokens(usage.input_tokens + cached + (usage.cache_creation_input_tokens or 0), cached, usage.output_tokens)


@dataclass
class EnginePlatform(RunningPlatform):
    """Engines' environments are this checkout's, as `make run` uses them; all else is the platform's own."""

    START_SECONDS: ClassVar[float] = 900  # from nothing: installation, conversion, a start on a slow machine

    engine: RealEngine

    def environment(self) -> dict[str, str]:
        ours = ("ANTHROPIC_API_KEY", "MODELS_FILE", "EMBEDDING_ENGINE")
        inherited = {name: value for name, value in super().environment().items() if name not in ours}
        return {
            **inherited,
            "ENGINE": self.engine.name,
            "ARTEMIS_ENGINES_HOME": str(engine_home(ROOT / ".artemis")),
            "WEB_CONCURRENCY": "1",
        }

    def counted(self) -> Tokens:
        """Since the engine's start, by its own metrics."""
        samples = self._samples()
        engine = self.engine
        return Tokens(*(sum(samples[name] for name in names) for names in (engine.input, engine.cached, engine.output)))

    def is_idle(self) -> bool:
        samples = self._samples()
        return not any(samples[name] for name in self.engine.busy)

    def engine_pid(self) -> int:
        """The supervisor's child that runs the engine."""
        assert self.process
        for status in Path("/proc").glob("[0-9]*/status"):
            command = (status.parent / "cmdline").read_bytes().split(b"\0")
            if self.engine.module.encode() in command and f"\nPPid:\t{self.process.pid}\n" in status.read_text():
                return int(status.parent.name)
        raise AssertionError("there is no engine")

    def kill_engine(self) -> None:
        os.kill(self.engine_pid(), signal.SIGKILL)

    def _samples(self) -> dict[str, int]:
        params = yaml.safe_load((self.home / "engines.yaml").read_text())["model_list"][0]["litellm_params"]
        address = params["api_base"].removesuffix("/v1")
        headers = {"Authorization": f"Bearer {params['api_key']}"}
        text = httpx.get(f"{address}/metrics", headers=headers, timeout=30).raise_for_status().text
        samples: dict[str, int] = {}
        for name, value in _SAMPLE.findall(text):
            samples[name] = samples.get(name, 0) + int(float(value))
        return samples


@contextmanager
def started(engine: RealEngine, folders: pytest.TempPathFactory) -> Iterator[EnginePlatform]:
    home = folders.mktemp(engine.name)
    for folder in (home, *home.parents[:2]):
        folder.chmod(0o711)
    platform = EnginePlatform(home, free_port(), engine)
    try:
        platform.start()
        yield platform
    finally:
        status = platform.stop()
    assert status == 0, platform.run_log()


@dataclass
class Journey:
    """One key's way through one platform. Every answer's usage is noted, and must be on the bill in the end."""

    platform: EnginePlatform
    key_id: str
    client: OpenAI
    began: Tokens
    requests: int = 0
    billed: Tokens = field(default_factory=Tokens)
    """What all answers said."""
    elsewhere: Tokens = field(default_factory=Tokens)
    """Of that, what another engine than the chat model's counted (embeddings)."""

    @property
    def model(self) -> str:
        return self.platform.facts["model"]

    def note(self, usage: CompletionUsage | None) -> Tokens:
        tokens = tokens_of(usage)
        self.requests += 1
        self.billed += tokens
        return tokens

    def note_message(self, usage: MessageUsage) -> None:
        self.requests += 1
        self.billed += tokens_of_message(usage)

    def note_response(self, usage: ResponseUsage) -> None:
        assert usage.total_tokens == usage.input_tokens + usage.output_tokens
        self.requests += 1
        self.billed += Tokens(usage.input_tokens, usage.input_tokens_details.cached_tokens, usage.output_tokens)

    def ask(self, question: str, **options: Any) -> Any:
        """A whole chat answer, at temperature 0 where nothing else is said."""
        options = {"temperature": 0, "max_tokens": 40, **options}
        answer = self.client.chat.completions.create(
            model=self.model, messages=[{"role": "user", "content": question}], **options
        )
        self.note(answer.usage)
        return answer

    def stream(self, question: str, **options: Any) -> list[Any]:
        """The chunks of a streamed answer; the last one has the usage."""
        options = {"temperature": 0, "max_tokens": 40, **options}
        chunks = list(
            self.client.chat.completions.create(
                model=self.model,
                messages=[{"role": "user", "content": question}],
                stream=True,
                stream_options={"include_usage": True},
                **options,
            )
        )
        assert not chunks[-1].choices
        assert all(chunk.usage is None and chunk.choices for chunk in chunks[:-1])
        self.note(chunks[-1].usage)
        return chunks

    @contextmanager
    def engine_counts(self, times_input: int) -> Iterator[None]:
        """For several choices: the engine counts the prompt once for each, the bill once in all."""
        before, noted = self.platform.counted(), self.billed
        yield
        said = self.billed - noted
        until(lambda: self.platform.counted().output - before.output == said.output)
        engine = self.platform.counted() - before
        assert engine.input == said.input * times_input
        self.began += engine - said


def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.1)
