"""How busy each engine says it is: read from its /metrics, shared by all processes of a machine."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

FRESH_SECONDS = 5.0
_SAMPLE = re.compile(
    r"^(?:vllm|llamacpp):(num_requests_running|num_requests_waiting|kv_cache_usage_perc|requests_processing|"
    r"requests_deferred|kv_cache_usage_ratio)(?:\{[^}]*\})? ([0-9.eE+-]+)$",
    re.MULTILINE,
)
_AWAKE = re.compile(r'^vllm:engine_sleep_state\{[^}]*sleep_state="awake"[^}]*\} ([0-9.eE+-]+)$', re.MULTILINE)
# llama.cpp's names for the same.
_NAMES = {
    "requests_processing": "num_requests_running",
    "requests_deferred": "num_requests_waiting",
    "kv_cache_usage_ratio": "kv_cache_usage_perc",
}


@dataclass(frozen=True, slots=True)
class Load:
    """Requests that run and wait, and the used share (0 to 1) of the KV cache."""

    running: int
    waiting: int
    kv_cache_usage: float
    asleep: bool = False


def parse_metrics(text: str) -> Load | None:
    """An engine's load, of all models and ranks that share it; None where the page tells nothing of it."""
    found: dict[str, float] = {}
    for name, value in _SAMPLE.findall(text):
        name = _NAMES.get(name, name)
        found[name] = found.get(name, 0.0) + float(value)
    if "num_requests_running" not in found:
        return None
    return Load(
        int(found["num_requests_running"]),
        int(found.get("num_requests_waiting", 0)),
        found.get("kv_cache_usage_perc", 0.0),
        asleep=any(not float(state) for state in _AWAKE.findall(text)),
    )


class LoadBoard:
    """The loads by deployment, and what this process has sent since they were read."""

    def __init__(self) -> None:
        self._loads: Mapping[str, Load] = {}
        self._read_at = 0.0
        self._in_flight: dict[str, int] = {}
        self._sent: dict[str, int] = {}

    def update(self, loads: Mapping[str, Load]) -> set[str]:
        """Those who tell something again, after they told nothing."""
        back = set(loads) - set(self._loads)
        self._loads = loads
        self._read_at = time.monotonic()
        self._sent.clear()
        return back

    def began(self, deployment_id: str) -> None:
        self._in_flight[deployment_id] = self._in_flight.get(deployment_id, 0) + 1
        self._sent[deployment_id] = self._sent.get(deployment_id, 0) + 1

    def ended(self, deployment_id: str) -> None:
        self._in_flight[deployment_id] = max(0, self._in_flight.get(deployment_id, 0) - 1)

    def load(self, deployment_id: str) -> Load | None:
        """What the engine said within the last seconds."""
        fresh = time.monotonic() - self._read_at < FRESH_SECONDS
        return self._loads.get(deployment_id) if fresh else None

    def requests(self, deployment_id: str) -> int:
        """Requests there, as far as is known: the engine's own count and what went there since, or what we sent."""
        own = self._in_flight.get(deployment_id, 0)
        load = self.load(deployment_id)
        if load is None:
            return own
        return max(own, load.running + load.waiting + self._sent.get(deployment_id, 0))

    def is_full(self, deployment_id: str, most_waiting: int, most_cached: float = 1.0) -> bool:
        """Whether more requests wait there, or more of its KV cache is in use, than may."""
        load = self.load(deployment_id)
        return load is not None and (load.waiting > most_waiting or load.kv_cache_usage > most_cached)

    def is_asleep(self, deployment_id: str) -> bool:
        load = self.load(deployment_id)
        return load is not None and load.asleep
