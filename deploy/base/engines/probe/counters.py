"""How many tokens an engine has read and written since it was started, by its /metrics."""

import re
from dataclasses import dataclass

_SAMPLE = re.compile(
    r"^(?:vllm|llamacpp):(prompt_tokens_total|generation_tokens_total|tokens_predicted_total)(?:\{[^}]*\})? "
    r"([0-9.eE+-]+)$",
    re.MULTILINE,
)
_STARTED = re.compile(r"^process_start_time_seconds ([0-9.eE+-]+)$", re.MULTILINE)
_NAMES = {"tokens_predicted_total": "generation_tokens_total"}  # llama.cpp's name for the same


@dataclass(frozen=True, slots=True)
class TokenCounters:
    """`started_at`: when the process began, as it says (seconds since 1970), for those that do."""

    prompt: int
    output: int
    started_at: int | None = None


def parse_token_counters(text: str) -> TokenCounters | None:
    """Of all models and ranks of the engine; None where the page has no such counters.

    vLLM counts what its cache had as well, llama.cpp does not; and llama.cpp counts an answer at its end, and none that
    was cut off.
    """
    found: dict[str, float] = {}
    for name, value in _SAMPLE.findall(text):
        name = _NAMES.get(name, name)
        found[name] = found.get(name, 0.0) + float(value)
    if "prompt_tokens_total" not in found:
        return None
    started = _STARTED.search(text)
    return TokenCounters(
        int(found["prompt_tokens_total"]),
        int(found.get("generation_tokens_total", 0)),
        int(float(started[1])) if started else None,
    )
