"""Labels stay few whatever callers and engines send, and a request's figures go where they belong."""

from typing import Any

import pytest
from prometheus_client import REGISTRY

from apps.gateway import telemetry

LABELS = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "hosted_vllm", "gen_ai_request_model": "t-moon"}


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def settle(**fields: Any) -> None:
    telemetry.settled(
        **{
            "endpoint": "chat.completions",
            "model": "t-moon",
            "deployment": "t-moon-a",
            "outcome": "completed",
            "error_code": "",
            "duration": 1.0,
            "first_token": None,
            "input_tokens": 100,
            "cached_input_tokens": 0,
            "output_tokens": 11,
            "cost": 0,
            **fields,
        }
    )


def test_a_stream_is_measured() -> None:
    telemetry.attempted("t-moon-a", "hosted_vllm", "answered")
    settle(first_token=0.5, cached_input_tokens=64, cost=2_500_000)
    assert value("gen_ai_server_request_duration_seconds_sum", **LABELS, error_type="") == 1.0
    assert value("gen_ai_server_time_to_first_token_seconds_sum", **LABELS) == 0.5
    assert value("gen_ai_server_time_per_output_token_seconds_sum", **LABELS) == 0.05
    assert value("gen_ai_client_token_usage_sum", **LABELS, gen_ai_token_type="input") == 100
    assert value("gen_ai_client_token_usage_sum", **LABELS, gen_ai_token_type="output") == 11
    assert value("artemis_cost_dollars_total", model="t-moon") == 0.0025
    assert value("artemis_cached_input_tokens_total", **LABELS) == 64
    assert value("artemis_upstream_attempts_total", deployment="t-moon-a", outcome="answered") == 1


def test_ends_are_told_apart() -> None:
    settle(outcome="failed", error_code="engine_failed", output_tokens=0)
    settle(outcome="cancelled")
    labels = {"model": "t-moon", "endpoint": "chat.completions", "deployment": "t-moon-a"}
    assert value("artemis_requests_total", **labels, outcome="failed", error_code="engine_failed") == 1
    assert value("artemis_requests_total", **labels, outcome="cancelled", error_code="") == 1
    assert value("gen_ai_server_request_duration_seconds_count", **LABELS, error_type="cancelled") == 1


def test_labels_are_bounded() -> None:
    """Codes can come from engines; a thousand of them must not become a thousand series."""
    names = telemetry.Names(3)
    assert [names(value) for value in ("a", "b", "c", "d", "a")] == ["a", "b", "c", "other", "a"]
    for number in range(telemetry.MOST_CODES * 3):
        telemetry.error_answered(400, f"code-{number}")
    codes = {
        sample.labels["code"]
        for metric in telemetry.ERROR_ANSWERS.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    }
    assert len(codes) <= telemetry.MOST_CODES + 1 and "other" in codes


def test_figures_that_cannot_be_kept_cost_nobody_an_answer(caplog: pytest.LogCaptureFixture) -> None:
    @telemetry.harmless
    def broken() -> None:
        raise OSError("no space left on device")

    telemetry._complain.cache_clear()
    broken()
    broken()
    assert len(caplog.records) == 1
