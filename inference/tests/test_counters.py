import pytest

from inference.counters import TokenCounters, parse_token_counters

VLLM = """\
# TYPE vllm:prompt_tokens_total counter
vllm:prompt_tokens_total{engine="0",model_name="moon"} 1200.0
vllm:prompt_tokens_total{engine="1",model_name="moon"} 34.0
vllm:prompt_tokens_cached_total{engine="0",model_name="moon"} 900.0
vllm:prompt_tokens_by_source_total{engine="0",model_name="moon",source="local"} 7.0
vllm:generation_tokens_total{engine="0",model_name="moon"} 1.5e+06
vllm:generation_tokens_created{engine="0",model_name="moon"} 1.79e+09
process_start_time_seconds 1.79574e+09
"""
LLAMA = """\
llamacpp:prompt_tokens_total 77
llamacpp:tokens_predicted_total 12
llamacpp:n_decode_total 40
"""


@pytest.mark.parametrize(
    ("page", "counters"),
    [
        (VLLM, TokenCounters(1234, 1_500_000, 1_795_740_000)),
        (LLAMA, TokenCounters(77, 12)),
        ("vllm:num_requests_running 3\n", None),
        ("<html>not found</html>", None),
    ],
)
def test_the_counters_of_a_page(page: str, counters: TokenCounters | None) -> None:
    assert parse_token_counters(page) == counters
