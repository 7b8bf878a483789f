"""Made series for each alert: with which it must fire, with which it must not, in promtool's notation."""

from dataclasses import dataclass

N = 'namespace="artemis"'


@dataclass(frozen=True)
class Case:
    """`at`: the minute at which it is asked. Each side: series, and their values."""

    fires: dict[str, str]
    quiet: dict[str, str]
    at: int = 90


def up(name: str, pod: str = "a") -> str:
    return f'up{{{N}, app_kubernetes_io_name="{name}", pod="{pod}"}}'


def of_platform(name: str, labels: str = "") -> str:
    return f"{name}{{{N}{labels}}}"


def gauge(name: str, bad: float, well: float, labels: str = "", at: int = 90) -> Case:
    series = of_platform(name, labels)
    return Case({series: f"{bad}x600"}, {series: f"{well}x600"}, at)


REQUESTS = of_platform("artemis_requests_total", ', model="m", error_code=""')
FAILED = of_platform("artemis_requests_total", ', model="m", error_code="engine_failed"')
REFUSED = of_platform("artemis_requests_total", ', model="m", error_code="invalid_value"')
FIRST = "gen_ai_server_time_to_first_token_seconds"
STREAMS, IN_TIME = of_platform(f"{FIRST}_count"), of_platform(f"{FIRST}_bucket", ', le="2.5"')
OLDEST = of_platform("artemis_usage_event_oldest_age_seconds")
FAILOVERS = of_platform("artemis_failovers_total", ', model="m", to="deployment"')
SPILLS = of_platform("artemis_spills_total", ', model="m", to="provider"')
LAG = "artemis_event_loop_lag_seconds_bucket"
CERTIFICATE = 'certmanager_certificate_expiration_timestamp_seconds{exported_namespace="artemis", name="edge"}'
FIGURES, RECONCILED = (
    of_platform("artemis_figures_timestamp_seconds"),
    of_platform("artemis_reconcile_last_run_timestamp_seconds"),
)
MEMORY, LIMIT = of_platform("artemis_redis_memory_bytes"), of_platform("artemis_redis_memory_limit_bytes")
AT_EDGE = "artemis_edge_requests_total"
THROUGH, AWAY, UNCHECKED, LIMITED, MAINTAINED = (
    of_platform(AT_EDGE, f', plane="gateway", route="chat", status="{status}", outcome="{outcome}"')
    for status, outcome in (
        ("2xx", "forwarded"),
        ("5xx", "upstream_away"),
        ("5xx", "key_unchecked"),
        ("4xx", "limit_requests"),
        ("5xx", "maintenance"),
    )
)
UNKNOWN_PATHS = of_platform(AT_EDGE, ', plane="edge", route="other", status="4xx", outcome="not_found"')
TOLD, COUNTED = of_platform("artemis_edge_lines_total"), of_platform("artemis_edge_nginx_requests_total")
DOCUMENTS_FAILED = of_platform("artemis_documents_failed")
DAY = 86_400

CASES = {
    # Of a thousand calls a minute twenty fail, for 90 minutes; or as many are the callers' own fault.
    "AvailabilityBurnsFast": Case(
        {REQUESTS: "0+980x600", FAILED: "0+20x600"}, {REQUESTS: "0+980x600", REFUSED: "0+20x600"}
    ),
    "AvailabilityBurnsSteady": Case(
        {REQUESTS: "0+990x600", FAILED: "0+10x600"}, {REQUESTS: "0+995x600", FAILED: "0+5x600"}, at=400
    ),
    "AvailabilityBurnsSlow": Case(
        {REQUESTS: "0+998x600", FAILED: "0+2x600"}, {REQUESTS: "0+9995x600", FAILED: "0+5x600"}, at=500
    ),
    "FirstTokenBurnsFast": Case(
        {STREAMS: "0+100x600", IN_TIME: "0+20x600"}, {STREAMS: "0+100x600", IN_TIME: "0+50x600"}
    ),
    "FirstTokenBurnsSteady": Case(
        {STREAMS: "0+100x600", IN_TIME: "0+60x600"}, {STREAMS: "0+100x600", IN_TIME: "0+80x600"}, at=400
    ),
    "FirstTokenBurnsSlow": Case(
        {STREAMS: "0+100x600", IN_TIME: "0+90x600"}, {STREAMS: "0+100x600", IN_TIME: "0+97x600"}, at=500
    ),
    # What was over an hour ago is told no more: the short window ends it.
    "BillingFreshnessBurnsFast": Case({OLDEST: "0x60 300x540"}, {OLDEST: "0x30 300x30 0x540"}, at=80),
    "BillingFreshnessBurnsSteady": Case({OLDEST: "0x300 300x300"}, {OLDEST: "59x600"}, at=400),
    "BillingFreshnessBurnsSlow": Case({OLDEST: "0x300 300x300"}, {OLDEST: "10x600"}, at=500),
    "GatewayAway": Case({up("gateway"): "1x5 0x600"}, {up("gateway"): "0x600", up("gateway", "b"): "1x600"}),
    "EdgeAway": Case(
        {up("edge"): "1x5 0x600", up("gateway"): "1x600"}, {up("edge"): "0x600", up("edge", "b"): "1x600"}
    ),
    # What is nobody's request does not hide it; what callers themselves did is no fault of ours.
    "EdgeFails": Case(
        {THROUGH: "0+980x600", AWAY: "0+10x600", UNCHECKED: "0+10x600", UNKNOWN_PATHS: "0+9000x600"},
        {THROUGH: "0+980x600", AWAY: "0+5x600", LIMITED: "0+900x600", MAINTAINED: "0+900x600"},
    ),
    "EdgeInMaintenance": Case({MAINTAINED: "0+10x600"}, {MAINTAINED: "0+10x60 600x540", THROUGH: "0+10x600"}, at=200),
    "EdgeUnheard": Case({TOLD: "0+90x600", COUNTED: "0+100x600"}, {TOLD: "0+98x600", COUNTED: "0+100x600"}),
    "WorkerAway": Case({up("gateway"): "1x600"}, {up("worker"): "1x600"}),
    "WorkersIdle": Case({FIGURES: "0+60x10 600x600"}, {FIGURES: "0+60x600"}),
    "EventLoopLate": Case(
        {
            of_platform(LAG, ', le="0.5"'): "0+90x600",
            of_platform(LAG, ', le="+Inf"'): "0+100x600",
            of_platform(LAG, ', le="1"'): "0+100x600",
        },
        {of_platform(LAG, ', le="0.5"'): "0+100x600", of_platform(LAG, ', le="+Inf"'): "0+100x600"},
    ),
    "CallsWait": Case(
        {of_platform("artemis_calls_waiting", f', account_class="Free", pod="{pod}"'): "60x600" for pod in "ab"},
        {of_platform("artemis_calls_waiting", f', account_class="{name}"'): "60x600" for name in ("Free", "Paid")},
    ),
    "RedisEvicts": gauge("artemis_redis_evicts", 1, 0),
    "RedisFull": Case({MEMORY: "90x600", LIMIT: "100x600"}, {MEMORY: "90x600", LIMIT: "0x600"}),
    "CertificateEnds": Case({CERTIFICATE: f"{10 * DAY}x600"}, {CERTIFICATE: f"{20 * DAY}x600"}),
    "EngineAway": Case({up("vllm"): "0x600"}, {up("vllm"): "0x2 1x600", up("postgres"): "0x600"}),
    "CircuitOpen": gauge("artemis_circuit_open", 1, 0, ', deployment="d"'),
    "ManyFailovers": Case(
        {REQUESTS: "0+100x600", FAILOVERS: "0+10x600"}, {REQUESTS: "0+100x600", FAILOVERS: "0+2x600"}
    ),
    "SpillsCostMoney": Case({REQUESTS: "0+100x600", SPILLS: "0+20x600"}, {REQUESTS: "0+100x600", SPILLS: "0+5x600"}),
    "EngineQueue": gauge("vllm:num_requests_waiting", 20, 5, ', pod="a"'),
    "KVCacheFull": gauge("vllm:kv_cache_usage_perc", 0.99, 0.8, ', pod="a"'),
    "GpusUnseen": Case({up("gateway"): "1x600"}, {'DCGM_FI_DEV_GPU_TEMP{gpu="0"}': "60x600"}),
    "GpuHot": Case({'DCGM_FI_DEV_GPU_TEMP{gpu="0"}': "90x600"}, {'DCGM_FI_DEV_GPU_TEMP{gpu="0"}': "70x600"}),
    "GpuError": Case({'DCGM_FI_DEV_XID_ERRORS{gpu="0"}': "79x600"}, {'DCGM_FI_DEV_XID_ERRORS{gpu="0"}': "0x600"}),
    "SpoolNotEmpty": gauge("artemis_spool_settlements", 3, 0),
    "UsageEventsDead": gauge("artemis_usage_events_dead", 1, 0),
    "UsageUnposted": gauge("artemis_unposted_age_seconds", 8000, 3900),
    "ReconciliationFindings": gauge("artemis_reconcile_findings", 1, 0),
    "ReconciliationFailed": gauge("artemis_reconcile_failed_checks", 1, 0),
    "ReconciliationOld": Case({RECONCILED: f"-{2 * DAY}x600"}, {RECONCILED: "0x600"}),
    "DocumentsWait": gauge("artemis_documents_oldest_age_seconds", 4000, 600),
    "DocumentsFail": Case({DOCUMENTS_FAILED: "0+1x600"}, {DOCUMENTS_FAILED: "500x600"}),
}
