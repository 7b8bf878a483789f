"""The five dashboards. What all pods tell alike is read by max(), what each counts by sum()."""

from deploy.observability.dashboards import Dashboard, Panel

HERE = '{namespace="artemis"}'


def rate(name: str, by: str = "", labels: str = "") -> str:
    selector = f'{{namespace="artemis"{labels}}}'
    return f"sum{f' by ({by})' if by else ''} (rate({name}{selector}[$__rate_interval]))"


def quantile(share: float, name: str, by: str = "") -> str:
    return f"histogram_quantile({share}, {rate(f'{name}_bucket', f'le, {by}' if by else 'le')})"


def told(name: str) -> str:
    return f"max({name}{HERE})"


def share_of(objective: str) -> tuple[tuple[str, str], ...]:
    return tuple((window, f"artemis:{objective}:error_ratio_{window}") for window in ("5m", "1h", "6h", "3d"))


MODEL = "gen_ai_request_model"
AT_EDGE = "artemis_edge_requests_total"
PLATFORM = Dashboard(
    "artemis-platform",
    "Platform",
    (
        (
            Panel("Calls that failed through our fault", share_of("availability"), "percentunit"),
            Panel("Streams that began late", share_of("first_token"), "percentunit"),
            Panel("Time in which billing was late", share_of("billing_freshness"), "percentunit"),
        ),
        (
            Panel("Requests", (("{{outcome}}", rate("artemis_requests_total", "outcome")),), "reqps"),
            Panel(
                "Errors told", (("{{status}} {{code}}", rate("artemis_error_answers_total", "status, code")),), "reqps"
            ),
            Panel("Refused by limits", (("{{limit}}", rate("artemis_limit_refusals_total", "limit")),), "reqps"),
        ),
        (
            Panel("At the edge", (("{{plane}} {{status}}", rate(AT_EDGE, "plane, status")),), "reqps"),
            Panel(
                "Ended at the edge",
                (("{{outcome}}", rate(AT_EDGE, "outcome", ', outcome!~"forwarded|answered"')),),
                "reqps",
            ),
            Panel(
                "At the edge, 95 %",
                (
                    ("{{plane}}", quantile(0.95, "artemis_edge_request_duration_seconds", "plane")),
                    ("{{plane}} itself", quantile(0.95, "artemis_edge_upstream_duration_seconds", "plane")),
                ),
                "s",
            ),
            Panel("Connections at the edge", (("{{state}}", f"sum by (state) (artemis_edge_connections{HERE})"),)),
        ),
        (
            Panel("In flight", (("{{pod}}", f"sum by (pod) (artemis_requests_in_flight{HERE})"),)),
            Panel(
                "Waiting for an engine",
                (("{{account_class}}", f"sum by (account_class) (artemis_calls_waiting{HERE})"),),
            ),
            Panel("Event loop lag, 99 %", (("lag", quantile(0.99, "artemis_event_loop_lag_seconds")),), "s"),
        ),
        (
            Panel(
                "Redis' memory",
                (("used", told("artemis_redis_memory_bytes")), ("limit", told("artemis_redis_memory_limit_bytes"))),
                "bytes",
            ),
            Panel("Open holds", (("holds", told("artemis_holds")),)),
            Panel(
                "Other calls, 95 %",
                (("{{http_route}}", quantile(0.95, "http_server_request_duration_seconds", "http_route")),),
                "s",
            ),
        ),
    ),
)
ENGINES = Dashboard(
    "artemis-engines",
    "Engines and GPUs",
    (
        (
            Panel(
                "First token, 95 %",
                (("{{gen_ai_request_model}}", quantile(0.95, "gen_ai_server_time_to_first_token_seconds", MODEL)),),
                "s",
            ),
            Panel(
                "Time per token, 95 %",
                (("{{gen_ai_request_model}}", quantile(0.95, "gen_ai_server_time_per_output_token_seconds", MODEL)),),
                "s",
            ),
            Panel(
                "Tokens",
                (
                    ("{{gen_ai_token_type}}", rate("gen_ai_client_token_usage_sum", "gen_ai_token_type")),
                    ("cached", rate("artemis_cached_input_tokens_total")),
                ),
            ),
        ),
        (
            Panel(
                "Tries of deployments",
                (("{{deployment}} {{outcome}}", rate("artemis_upstream_attempts_total", "deployment, outcome")),),
                "reqps",
            ),
            Panel(
                "Failovers and spills",
                (
                    ("failover to another {{to}}", rate("artemis_failovers_total", "to")),
                    ("spill to another {{to}}", rate("artemis_spills_total", "to")),
                ),
                "reqps",
            ),
            Panel("Open circuits", (("{{deployment}}", f"max by (deployment) (artemis_circuit_open{HERE})"),), most=1),
        ),
        (
            Panel("Running", (("{{pod}}", f"vllm:num_requests_running{HERE}"),)),
            Panel("Waiting", (("{{pod}}", f"vllm:num_requests_waiting{HERE}"),)),
            Panel("KV cache", (("{{pod}}", f"vllm:kv_cache_usage_perc{HERE}"),), "percentunit", most=1),
        ),
        (
            Panel(
                "Prefix cache hits",
                (
                    (
                        "{{pod}}",
                        " / ".join(rate(f"vllm:prefix_cache_{what}_total", "pod") for what in ("hits", "queries")),
                    ),
                ),
                "percentunit",
                most=1,
            ),
            Panel("Preemptions", (("{{pod}}", rate("vllm:num_preemptions_total", "pod")),)),
            Panel(
                "Waking an engine, 95 %",
                (("{{deployment}}", quantile(0.95, "artemis_engine_wake_seconds", "deployment")),),
                "s",
            ),
        ),
        (
            Panel("GPU use", (("{{Hostname}} {{gpu}}", "DCGM_FI_DEV_GPU_UTIL"),), "percent", most=100),
            Panel("GPU memory", (("{{Hostname}} {{gpu}}", "DCGM_FI_DEV_FB_USED"),), "decmbytes"),
            Panel("GPU temperature", (("{{Hostname}} {{gpu}}", "DCGM_FI_DEV_GPU_TEMP"),), "celsius"),
            Panel("GPU power", (("{{Hostname}} {{gpu}}", "DCGM_FI_DEV_POWER_USAGE"),), "watt"),
        ),
    ),
)
BILLING = Dashboard(
    "artemis-billing",
    "Billing",
    (
        (
            Panel(
                "Charged, an hour",
                (("{{model}}", f"sum by (model) (increase(artemis_cost_dollars_total{HERE}[1h]))"),),
                "currencyUSD",
            ),
            Panel("Held for calls in flight", (("held", f"sum(artemis_held_dollars{HERE})"),), "currencyUSD"),
            Panel("Not posted", (("unposted", told("artemis_unposted_dollars")),), "currencyUSD"),
        ),
        (
            Panel(
                "Events not in PostgreSQL",
                (("waiting", told("artemis_usage_events_pending")), ("dead", told("artemis_usage_events_dead"))),
            ),
            Panel(
                "Age",
                (
                    ("oldest event", told("artemis_usage_event_oldest_age_seconds")),
                    ("oldest unposted hour", told("artemis_unposted_age_seconds")),
                ),
                "s",
            ),
            Panel("Settlements on disk", (("{{pod}}", f"sum by (pod) (artemis_spool_settlements{HERE})"),)),
        ),
        (
            Panel(
                "Reconciliation",
                (
                    ("findings", told("artemis_reconcile_findings")),
                    ("failed checks", told("artemis_reconcile_failed_checks")),
                ),
                kind="stat",
            ),
            Panel(
                "Since it ran",
                (("age", f"time() - {told('artemis_reconcile_last_run_timestamp_seconds')}"),),
                "s",
                kind="stat",
            ),
        ),
    ),
)
INGESTION = Dashboard(
    "artemis-ingestion",
    "Ingestion",
    (
        (
            Panel(
                "Documents",
                (("waiting", told("artemis_documents_waiting")), ("failed", told("artemis_documents_failed"))),
            ),
            Panel("The oldest that waits", (("age", told("artemis_documents_oldest_age_seconds")),), "s"),
            Panel(
                "Since workers told",
                (("age", f"time() - {told('artemis_figures_timestamp_seconds')}"),),
                "s",
                kind="stat",
            ),
        ),
        (
            Panel(
                "Embedding calls",
                (("{{outcome}}", rate("artemis_requests_total", "outcome", ', endpoint="embeddings"')),),
                "reqps",
            ),
            Panel(
                "Embedded tokens",
                (
                    (
                        "{{gen_ai_request_model}}",
                        rate("gen_ai_client_token_usage_sum", MODEL, ', gen_ai_operation_name="embeddings"'),
                    ),
                ),
            ),
        ),
    ),
)
OF_ACCOUNT = "JOIN accounts_account a ON a.id = u.account_id WHERE a.slug = '$account' AND $__timeFilter(u.{time})"
HOURS = f"FROM usage_usagehour u {OF_ACCOUNT.format(time='hour')} GROUP BY 1, 2 ORDER BY 1"
EVENTS = f"FROM usage_usageevent u {OF_ACCOUNT.format(time='started_at')}"
TOKENS = "sum(u.input_tokens + u.output_tokens)"
CUSTOMER = Dashboard(
    "artemis-customer",
    "One customer",
    (
        (
            Panel(
                "Requests an hour", sql=f"SELECT u.hour AS time, u.model AS metric, sum(u.requests) AS value {HOURS}"
            ),
            Panel(
                "Cost an hour",
                unit="currencyUSD",
                sql=f"SELECT u.hour AS time, u.model AS metric, sum(u.cost) / 1e9 AS value {HOURS}",
            ),
            Panel(
                "Tokens an hour",
                sql=f"SELECT u.hour AS time, u.model AS metric, {TOKENS} AS value {HOURS}",
            ),
        ),
        (
            Panel(
                "Outcomes",
                kind="table",
                sql=f"SELECT u.outcome, u.error_code, count(*) AS requests {EVENTS} GROUP BY 1, 2 ORDER BY 3 DESC",
            ),
            Panel(
                "Speed by model, ms",
                kind="table",
                sql="SELECT u.model, percentile_cont(0.95) WITHIN GROUP (ORDER BY u.first_token_ms) AS first_token, "
                "percentile_cont(0.95) WITHIN GROUP (ORDER BY u.duration_ms) AS duration "
                f"{EVENTS} GROUP BY 1 ORDER BY 1",
            ),
        ),
        (
            Panel(
                "Its last failures",
                kind="table",
                sql="SELECT u.started_at, u.request_id, u.model, u.deployment, u.error_code "
                f"{EVENTS} AND u.outcome = 'failed' ORDER BY 1 DESC LIMIT 50",
            ),
        ),
    ),
    variable=("account", "SELECT name AS __text, slug AS __value FROM accounts_account ORDER BY name"),
)
DASHBOARDS = (PLATFORM, ENGINES, BILLING, INGESTION, CUSTOMER)
