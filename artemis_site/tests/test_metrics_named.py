"""Whatever a rule or dashboard names, the platform tells; and what is asked of PostgreSQL for a customer, it has."""

import time

import httpx
import pytest
from django.db import connection
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from apps.gateway import detours, telemetry
from artemis_site.tests.desk import Desk
from artemis_site.tests.platform import MODEL, Platform
from deploy.observability.boards import CUSTOMER
from deploy.observability.named import named

# Told once it has happened; a test elsewhere makes each of them happen.
RARE = {
    *("artemis_failovers_total", "artemis_spills_total", "artemis_engine_wake_seconds_bucket"),
    *("artemis_reconcile_findings", "artemis_reconcile_failed_checks", "artemis_reconcile_last_run_timestamp_seconds"),
    *("artemis_cached_input_tokens_total", "artemis_limit_refusals_total"),
}


def told(platform: Platform) -> set[str]:
    text = httpx.get(f"{platform.base_url}/metrics").raise_for_status().text
    return {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}


def test_every_metric_that_is_named_is_told(platform: Platform, desk: Desk) -> None:
    key = desk.key()
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 5}
    for more in ({}, {"stream": True}, {"model": "no-such-model"}):
        platform.post("/v1/chat/completions", api_key=key.secret, json=body | more)
    httpx.get(f"{platform.base_url}/v1/files", headers={"authorization": f"Bearer {key.secret}"}).raise_for_status()
    wanted = set().union(*named().values())
    assert len(wanted) > 30
    deadline = time.monotonic() + 60  # workers tell some four times a minute
    while missing := wanted - told(platform) - RARE:
        assert time.monotonic() < deadline, missing
        time.sleep(0.5)


def test_what_is_rare_is_declared() -> None:
    assert telemetry.REQUESTS and detours.SPILLS
    declared = {metric.name for metric in REGISTRY.collect()}
    for name in RARE:
        if not name.startswith("artemis_reconcile_"):
            assert name.removesuffix("_total").removesuffix("_bucket") in declared
    assert set().union(*named().values()) >= RARE


@pytest.mark.django_db
def test_the_customers_queries() -> None:
    queries = [panel.sql for row in CUSTOMER.panels for panel in row]
    assert CUSTOMER.variable
    for query in (*queries, CUSTOMER.variable[1]):
        asked = query.replace("$account", "northwind").replace("$__timeFilter(u.hour)", "u.hour > now()")
        asked = asked.replace("$__timeFilter(u.started_at)", "u.started_at > now()")
        assert "$" not in asked
        with connection.cursor() as cursor:
            cursor.execute(asked)
