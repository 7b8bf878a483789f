"""What Prometheus sees of the gateway, by OpenTelemetry's GenAI conventions where these have a name for it.

No label is ever a key, a person or text of a caller: models and deployments are those of the catalog, and past a
bound of distinct values the rest is "other". In gunicorn's workers prometheus_client keeps its numbers in files of
PROMETHEUS_MULTIPROC_DIR, which deploy/gunicorn.py sets before anything imports it.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, wraps
from typing import ParamSpec

from prometheus_client import Counter, Gauge, Histogram

P = ParamSpec("P")
logger = logging.getLogger(__name__)

OTHER = "other"
MOST_NAMES, MOST_CODES = 500, 100
OPERATIONS = {
    "chat.completions": "chat",
    "completions": "text_completion",
    "embeddings": "embeddings",
    "messages": "chat",
}
SECONDS = (
    0.01,
    0.02,
    0.04,
    0.08,
    0.16,
    0.32,
    0.64,
    1.28,
    2.56,
    5.12,
    10.24,
    20.48,
    40.96,
    81.92,
    163.84,
    600,
)
FIRST_TOKEN = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10),
    *(30, 60, 120),  # cold starts
)
PER_TOKEN = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5)
LAG = (0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2, 5)
TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576)
COMMON = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")

DURATION = Histogram(
    "gen_ai_server_request_duration_seconds",
    "From admission to settlement; error_type is empty for a complete answer",
    (*COMMON, "error_type"),
    buckets=SECONDS,
)
TIME_TO_FIRST_TOKEN = Histogram("gen_ai_server_time_to_first_token_seconds", "Of streams", COMMON, buckets=FIRST_TOKEN)
TIME_PER_OUTPUT_TOKEN = Histogram(
    "gen_ai_server_time_per_output_token_seconds",
    "Of streams, after the first token",
    COMMON,
    buckets=PER_TOKEN,
)
TOKEN_USAGE = Histogram(
    "gen_ai_client_token_usage",
    "Tokens of one request; the input with its cached part",
    (*COMMON, "gen_ai_token_type"),
    buckets=TOKENS,
)
CACHED_TOKENS = Counter("artemis_cached_input_tokens", "Input tokens that an engine's cache had", COMMON)
COST = Counter("artemis_cost_dollars", "What settled requests were charged, in US dollars", ("model",))
REQUESTS = Counter("artemis_requests", "Settled requests", ("model", "endpoint", "deployment", "outcome", "error_code"))
ATTEMPTS = Counter("artemis_upstream_attempts", "Tries of deployments", ("deployment", "outcome"))
LIMIT_REFUSALS = Counter("artemis_limit_refusals", "Requests that a limit or budget did not admit", ("limit",))
ERROR_ANSWERS = Counter("artemis_error_answers", "Errors that callers were told", ("status", "code"))
LOGGED_PROMPTS = Counter(
    "artemis_logged_prompts", "Of accounts that want it; dropped for want of room, or of Redis", ("outcome",)
)
API_CALLS = Histogram(
    "http_server_request_duration_seconds",
    "Of calls that ask no engine: files, batches, kept responses",
    ("http_request_method", "http_route", "http_response_status_code"),
    buckets=SECONDS,
)
LOOP_LAG = Histogram(
    "artemis_event_loop_lag_seconds",
    "How late a worker's event loop came, ten times a second; what it missed counts as often as it was due",
    buckets=LAG,
)
WAKING = Histogram(
    "artemis_engine_wake_seconds",
    "Until an engine that shares a GPU by turns was awake, with whoever had to fall asleep for it",
    ("deployment",),
    buckets=SECONDS,
)
IN_FLIGHT = Gauge(
    "artemis_requests_in_flight",
    "Admitted and not yet settled, by the second",
    ("plane",),
    multiprocess_mode="livesum",
)

DEMAND = Gauge(
    "artemis_model_demand",
    "The most calls at once in the last half minute that ask for a model and are not settled, whoever answers them",
    ("model",),
    multiprocess_mode="livesum",
)


class Names:
    """The first so many distinct values of a label pass; the rest are "other"."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: set[str] = set()

    def __call__(self, value: str) -> str:
        if value in self._seen:
            return value
        if len(self._seen) >= self._most:
            return OTHER
        self._seen.add(value)
        return value


_models, _deployments, _codes = Names(MOST_NAMES), Names(MOST_NAMES), Names(MOST_CODES)


@dataclass(slots=True)
class _Series:
    """The children of one model, endpoint and deployment, bound once: a look-up in a dict a request, not ten."""

    labels: tuple[str, str, str]
    request_labels: tuple[str, str, str]
    first_token: Histogram
    per_token: Histogram
    input: Histogram
    output: Histogram
    cached: Counter
    cost: Counter
    ends: dict[tuple[str, str], tuple[Histogram, Counter]] = field(default_factory=dict)

    def end(self, outcome: str, error_code: str) -> tuple[Histogram, Counter]:
        known = self.ends.get((outcome, error_code))
        if known is None:
            code = _codes(error_code) if error_code else ""
            error_type = "" if outcome == "completed" else code or outcome
            known = (
                DURATION.labels(*self.labels, error_type),
                REQUESTS.labels(*self.request_labels, outcome, code),
            )
            if code == error_code:
                self.ends[outcome, error_code] = known
        return known


_series: dict[tuple[str, str, str], _Series] = {}
_attempts: dict[tuple[str, str], Counter] = {}
_providers: dict[str, str] = {}
_demanded: dict[str, int] = {}


def _bind(endpoint: str, model: str, deployment: str) -> _Series:
    model, deployment = _models(model), _deployments(deployment) if deployment else ""
    known = _series.get((endpoint, model, deployment))
    if known is not None:
        return known
    labels = (operation_of(endpoint), _providers.get(deployment, OTHER), model)
    series = _series[endpoint, model, deployment] = _Series(
        labels,
        (model, endpoint, deployment),
        TIME_TO_FIRST_TOKEN.labels(*labels),
        TIME_PER_OUTPUT_TOKEN.labels(*labels),
        TOKEN_USAGE.labels(*labels, "input"),
        TOKEN_USAGE.labels(*labels, "output"),
        CACHED_TOKENS.labels(*labels),
        COST.labels(model),
    )
    return series


@cache
def _complain() -> None:
    """Once a process: the reason is the same for every request."""
    logger.exception("metrics cannot be kept; is PROMETHEUS_MULTIPROC_DIR a folder with room in it?")


def harmless(note: Callable[P, None]) -> Callable[P, None]:
    """Figures that cannot be kept, of a full disk for instance, cost no caller an answer and no request its bill."""

    @wraps(note)
    def noted(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            note(*args, **kwargs)
        except Exception:
            _complain()

    return noted


def operation_of(endpoint: str) -> str:
    return OPERATIONS.get(endpoint, OTHER)


@harmless
def woken(deployment: str, seconds: float) -> None:
    WAKING.labels(_deployments(deployment)).observe(seconds)


@harmless
def settled(
    *,
    endpoint: str,
    model: str,
    deployment: str,
    outcome: str,
    error_code: str,
    duration: float,
    first_token: float | None,
    input_tokens: int,
    cached_input_tokens: int,
    output_tokens: int,
    cost: int,
) -> None:
    """Notes a request that has ended. Seconds; `first_token` only of a stream; `cost` in nano-dollars."""
    series = _series.get((endpoint, model, deployment)) or _bind(endpoint, model, deployment)
    took, ended = series.end(outcome, error_code)
    took.observe(duration)
    ended.inc()
    if input_tokens:
        series.input.observe(input_tokens)
    if output_tokens:
        series.output.observe(output_tokens)
    if cached_input_tokens:
        series.cached.inc(cached_input_tokens)
    if cost:
        series.cost.inc(cost / 1e9)
    if first_token is not None:
        series.first_token.observe(first_token)
        if output_tokens > 1:
            series.per_token.observe((duration - first_token) / (output_tokens - 1))


@harmless
def attempted(deployment: str, provider: str, outcome: str) -> None:
    """Notes a try of a deployment: "answered", or why not ("refused", "unreachable", …)."""
    child = _attempts.get((deployment, outcome))
    if child is None:
        name = _deployments(deployment)
        child = ATTEMPTS.labels(name, outcome)
        if name == deployment:
            _attempts[deployment, outcome] = child
            _providers[deployment] = provider
    child.inc()


@harmless
def refused(limit: str) -> None:
    """Notes a request that was not admitted: "requests", "tokens", "too_large", "parallel", "budget" or "schemas"."""
    LIMIT_REFUSALS.labels(limit).inc()


@harmless
def error_answered(status: int, code: str) -> None:
    ERROR_ANSWERS.labels(str(status), _codes(code)).inc()


@harmless
def prompt_logged(*, sent: bool) -> None:
    LOGGED_PROMPTS.labels("sent" if sent else "dropped").inc()


@harmless
def called(method: str, route: str, status: int, seconds: float) -> None:
    """Notes a call of an endpoint that asks no engine; `route` as it is declared, without anybody's ids."""
    API_CALLS.labels(method, route, str(status)).observe(seconds)


@harmless
def in_flight(requests: int) -> None:
    """To be called about once a second with what this process has in flight."""
    IN_FLIGHT.labels("gateway").set(requests)


@harmless
def demanded(calls: Mapping[str, int]) -> None:
    """To be called about once a second with this process's calls by model; who is not in it any more has none."""
    known = dict.fromkeys(_demanded, 0)
    for model, count in calls.items():
        name = _models(model)
        known[name] = known.get(name, 0) + count
    for name, count in known.items():
        if _demanded.get(name) != count:
            _demanded[name] = count
            DEMAND.labels(name).set(count)


@harmless
def lagged(seconds: float) -> None:
    LOOP_LAG.observe(seconds)
