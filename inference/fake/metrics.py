"""vLLM's names for the fake engine's numbers, in Prometheus' text form."""

from collections.abc import Mapping

from inference.fake.journal import Journal


def render(journal: Journal, *, model: str, queue_rejections: int, awake: bool, overrides: Mapping[str, float]) -> str:
    """`overrides` (name without `vllm:` → value) lets a test pretend a state, such as a full KV cache."""
    totals = journal.totals
    finished = totals["success"] + totals["abort"] + totals["error"]
    gauges: dict[str, float] = {
        "num_requests_running": journal.running,
        "num_requests_waiting": journal.waiting,
        "kv_cache_usage_perc": min(1.0, journal.running / 256),
    }
    counters: dict[str, float] = {
        "prompt_tokens_total": totals["prompt_tokens"],
        "prompt_tokens_cached_total": totals["cached_tokens"],
        "generation_tokens_total": totals["completion_tokens"],
        "prefix_cache_queries_total": totals["prompt_tokens"],
        "prefix_cache_hits_total": totals["cached_tokens"],
        "num_preemptions_total": 0,
        "time_to_first_token_seconds_sum": journal.ttft_seconds,
        "time_to_first_token_seconds_count": totals["first_tokens"],
        "e2e_request_latency_seconds_sum": journal.e2e_seconds,
        "e2e_request_latency_seconds_count": finished,
        "request_queue_time_seconds_sum": 0,
        "request_queue_time_seconds_count": finished,
        "inter_token_latency_seconds_sum": 0,
        "inter_token_latency_seconds_count": max(0, totals["completion_tokens"] - totals["first_tokens"]),
    }
    lines: list[str] = []
    for kind, samples in (("gauge", gauges), ("counter", counters)):
        for name, value in samples.items():
            lines.append(f"# TYPE vllm:{name} {kind}")
            lines.append(_sample(name, overrides.get(name, value), model))
    lines += [
        _sample("request_success_total", totals["success"], model, 'finished_reason="stop"'),
        _sample("request_success_total", totals["abort"], model, 'finished_reason="abort"'),
        _sample("num_requests_waiting_by_reason", journal.waiting, model, 'reason="capacity"'),
        _sample("admission_rejections_total", queue_rejections, model, 'reason="max_num_queued_reqs"'),
        _sample("engine_sleep_state", awake, model, 'sleep_state="awake"'),
    ]
    return "\n".join(lines) + "\n"


def _sample(name: str, value: float, model: str, label: str = "") -> str:
    more = f",{label}" if label else ""
    return f'vllm:{name}{{engine="0",model_name="{model}"{more}}} {float(value)}'
