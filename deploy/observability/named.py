"""Which metrics the rules and dashboards name, and which others than the platform tell."""

import re

from deploy.observability import rules
from deploy.observability.boards import DASHBOARDS

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*(?=[{\[])|\b(?:DCGM|artemis)[_:][A-Za-z0-9_:]+")
OTHERS = frozenset(
    {
        "up",
        # vLLM 0.32
        *("vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc"),
        *("vllm:prefix_cache_hits_total", "vllm:prefix_cache_queries_total", "vllm:num_preemptions_total"),
        # DCGM's exporter, by its default counters
        *("DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_GPU_TEMP", "DCGM_FI_DEV_POWER_USAGE"),
        "DCGM_FI_DEV_XID_ERRORS",
        # cert-manager
        "certmanager_certificate_expiration_timestamp_seconds",
    }
)


def expressions() -> dict[str, str]:
    """By where they stand."""
    found = {rule.get("alert") or rule["record"]: rule["expr"] for group in rules.groups() for rule in group["rules"]}
    for board in DASHBOARDS:
        for panel in (panel for row in board.panels for panel in row):
            found |= {f"{board.uid}, {panel.title}, {legend}": expr for legend, expr in panel.queries}
    return found


def recorded() -> set[str]:
    return {rule["record"] for group in rules.groups() for rule in group["rules"] if "record" in rule}


def named() -> dict[str, set[str]]:
    """By where they stand; those of the platform itself alone."""
    strange = OTHERS | recorded()
    return {place: set(NAME.findall(expression)) - strange for place, expression in expressions().items()}
