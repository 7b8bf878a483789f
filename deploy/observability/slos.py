"""The objectives, and alerts by how fast their error budget of 30 days burns, over a long and a short window each."""

from dataclasses import dataclass
from typing import Any

WINDOWS = ("5m", "30m", "1h", "6h", "3d")
BURNS = (("fast", 14.4, "1h", "5m", "page"), ("steady", 6, "6h", "30m", "page"), ("slow", 1, "3d", "6h", "ticket"))
"""2 % of the budget in an hour; 5 % in six; 10 % in three days. The short window ends the alert when it is over."""

OURS = '{namespace="artemis"}'
# Of a settled call: the codes for which the platform is to blame, among them those of streams that broke off. An answer
# with such a status that was never admitted is in the other metric alone, as service_unavailable.
FAULTS = "engine_failed|internal_error|model_unavailable|timeout|request_quarantined"


@dataclass(frozen=True)
class Objective:
    """`bad` of `total` in a window ("$w"); or, without a total, `bad` is a share of time, of the moments of `gauge`."""

    name: str
    alert: str
    target: float
    meaning: str
    bad: str
    total: str = ""
    gauge: str = ""

    @property
    def series(self) -> str:
        return f"artemis:{self.name}:error_ratio"


UNADMITTED = 'sum(rate(artemis_error_answers_total{namespace="artemis", code="service_unavailable"}[$w]))'
FIRST_TOKENS = "gen_ai_server_time_to_first_token_seconds"

OBJECTIVES = (
    Objective(
        name="availability",
        alert="AvailabilityBurns",
        target=0.999,
        meaning="calls fail through our fault",
        bad=f'(sum(rate(artemis_requests_total{{namespace="artemis", error_code=~"{FAULTS}"}}[$w])) or vector(0))'
        f" + ({UNADMITTED} or vector(0))",
        total=f"(sum(rate(artemis_requests_total{OURS}[$w])) or vector(0)) + ({UNADMITTED} or vector(0))",
    ),
    Objective(
        name="first_token",
        alert="FirstTokenBurns",
        target=0.95,
        meaning="streams begin later than 2.5 seconds",
        bad=f"sum(rate({FIRST_TOKENS}_count{OURS}[$w]))"
        f' - sum(rate({FIRST_TOKENS}_bucket{{namespace="artemis", le="2.5"}}[$w]))',
        total=f"sum(rate({FIRST_TOKENS}_count{OURS}[$w]))",
    ),
    Objective(
        name="billing_freshness",
        alert="BillingFreshnessBurns",
        target=0.999,
        meaning="usage is not in PostgreSQL within a minute",
        gauge=f"max(artemis_usage_event_oldest_age_seconds{OURS}) > bool 60",
        bad="avg_over_time(artemis:billing_freshness:late[$w])",
    ),
)


def groups() -> list[dict[str, Any]]:
    recorded, alerts = [], []
    for one in OBJECTIVES:
        if one.gauge:
            recorded.append({"record": f"artemis:{one.name}:late", "expr": one.gauge})
        recorded += [{"record": f"{one.series}_{w}", "expr": _share(one).replace("$w", w)} for w in WINDOWS]
        alerts += [_alert(one, *burn) for burn in BURNS]
    return [{"name": "objectives", "rules": recorded}, {"name": "burning", "rules": alerts}]


def _share(one: Objective) -> str:
    return f"({one.bad}) / ({one.total} > 0)" if one.total else one.bad


def _alert(one: Objective, pace: str, factor: float, long: str, short: str, severity: str) -> dict[str, Any]:
    bound = f"{factor} * {round(1 - one.target, 6)}"
    return {
        "alert": f"{one.alert}{pace.capitalize()}",
        "expr": f"{one.series}_{long} > {bound} and {one.series}_{short} > {bound}",
        "labels": {"severity": severity, "objective": one.name},
        "annotations": {
            "summary": f"So often that the error budget of 30 days burns {factor} times too fast: {one.meaning}."
        },
    }
