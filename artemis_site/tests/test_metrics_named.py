"""Whatever a rule or dashboard names, the platform tells; and what is asked of PostgreSQL for a customer, it has."""

import time
from pathlib import Path

import httpx
import pytest
from django.db import connection
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from apps.gateway import detours, telemetry
from artemis_site.tests.desk import Desk
from artemis_site.tests.edges import ask, edge_before
from artemis_site.tests.planes import Plane
from artemis_site.tests.platform import MODEL, Platform
from deploy.edge.tests.edge import NGINX, NGINXES, has_connections
from deploy.edge.tests.eyes import Eyes
from deploy.observability.boards import CUSTOMER
from deploy.observability.named import named

# Told once it has happened; a test elsewhere makes each of them happen.
RARE = {
    *("artemis_failovers_total", "artemis_spills_total", "artemis_engine_wake_seconds_bucket"),
    *("artemis_reconcile_findings", "artemis_reconcile_failed_checks", "artemis_reconcile_last_run_timestamp_seconds"),
    *("artemis_cached_input_tokens_total", "artemis_limit_refusals_total"),
}


# Of an nginx that was built to tell of its connections, as images are; whoever tests without one may do so.
OF_SOME = {"artemis_edge_connections", "artemis_edge_nginx_requests_total"}


def names(text: str) -> set[str]:
    return {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}


def told(platform: Platform) -> set[str]:
    return names(httpx.get(f"{platform.base_url}/metrics").raise_for_status().text)


def wanted() -> set[str]:
    return set().union(*named().values())


def test_every_metric_that_is_named_is_told(platform: Platform, desk: Desk) -> None:
    key = desk.key()
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 5}
    for more in ({}, {"stream": True}, {"model": "no-such-model"}):
        platform.post("/v1/chat/completions", api_key=key.secret, json=body | more)
    httpx.get(f"{platform.base_url}/v1/files", headers={"authorization": f"Bearer {key.secret}"}).raise_for_status()
    of_platform = {name for name in wanted() if not name.startswith("artemis_edge_")}
    assert len(of_platform) > 30
    deadline = time.monotonic() + 60  # workers tell some four times a minute
    while missing := of_platform - told(platform) - RARE:
        assert time.monotonic() < deadline, missing
        time.sleep(0.5)


@pytest.mark.skipif(not NGINXES, reason="there is no nginx with njs on this machine")
def test_every_metric_of_the_edge_that_is_named_is_told(desk: Desk, plane: Plane, tmp_path: Path) -> None:
    of_edge = {name for name in wanted() if name.startswith("artemis_edge_")}
    assert len(of_edge) >= 6
    with Eyes() as eyes, edge_before(plane, tmp_path, **eyes.settings) as edge:
        eyes.wait(edge)
        assert ask(edge, desk.key()).status_code == 200
        missing = of_edge - (set() if has_connections(NGINX) else OF_SOME)
        edge.wait_for(lambda: not missing - names(eyes.told()))


def test_what_is_rare_is_declared() -> None:
    assert telemetry.REQUESTS and detours.SPILLS
    declared = {metric.name for metric in REGISTRY.collect()}
    for name in RARE:
        if not name.startswith("artemis_reconcile_"):
            assert name.removesuffix("_total").removesuffix("_bucket") in declared
    assert wanted() >= RARE


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
