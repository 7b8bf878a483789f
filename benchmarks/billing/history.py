"""A year of use, made in SQL with the sums that belong to it, and what the portal's usage page asks of the database."""

import time
from bisect import bisect
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count
from django.test import Client

from apps.accounts.models import Account, User
from apps.catalog.models import PriceVersion
from apps.keys.models import ApiKey
from apps.portal.periods import midnight
from apps.usage.models import UsageEvent, UsageHour
from apps.usage.services import make_months
from benchmarks.billing.stream import MODELS, weights_of

DAYS = 365
SLOTS = 4096
SHARES = (60, 85, 95, 99)
"""Of a hundred requests, up to which the first models are asked; the last one is for the last."""
VISITS = 3
"""Each page is opened so often: what was read of the disk at first is in memory then."""
_EVENTS = """
INSERT INTO usage_usageevent (request_id, account_id, project_id, api_key_id, model, deployment, endpoint, outcome,
  error_code, streamed, price_version_id, input_tokens, cached_input_tokens, output_tokens, estimated, cost, end_user,
  started_at, duration_ms, first_token_ms)
SELECT 'req_past_' || lpad(to_hex(number), 15, '0'), k.account_id, k.project_id, k.id, m.model, m.model || '-a',
  'chat.completions', CASE WHEN chance %% 100 = 0 THEN 'failed' ELSE 'completed' END, '', chance %% 5 < 3,
  m.price, 100 + chance %% 1400, chance %% 100, 10 + chance %% 380, false, 150 * (100 + chance %% 1400), '',
  %(start)s + number / %(parts)s * %(span)s, 40 + chance %% 4000, 40
FROM (SELECT number, hashint8(number) & 2147483647 AS chance FROM generate_series(%(first)s, %(last)s) AS number) AS n
JOIN bench_slots s ON s.slot = chance %% 4096
JOIN keys_apikey k ON k.id = s.api_key_id
JOIN bench_models m ON m.slot = chance / 4096 %% 100
"""
_SUMS = """count(*), count(*) FILTER (WHERE outcome = 'failed'), sum(input_tokens), sum(cached_input_tokens),
  sum(output_tokens), sum(cost)"""
_ROLLUPS = [
    f"""
INSERT INTO usage_usage{name} (account_id, project_id, api_key_id, model, {name}, requests, failed_requests,
  input_tokens, cached_input_tokens, output_tokens, cost)
SELECT account_id, project_id, api_key_id, model, {expression}, {_SUMS}
FROM usage_usageevent WHERE request_id LIKE 'req_past_%' GROUP BY 1, 2, 3, 4, 5"""
    for name, expression in (
        ("hour", "date_trunc('hour', started_at, 'UTC')"),
        ("day", "(started_at AT TIME ZONE 'UTC')::date"),
    )
]
PART = 500_000


def fill(rows: int) -> dict[str, Any]:
    """Events of the year before the measured traffic, and their sums. Triggers are off meanwhile: they would cost
    minutes, and are not what is measured here."""
    began = time.perf_counter()
    end = midnight(UsageEvent.objects.earliest("started_at").started_at)
    start = end - timedelta(days=DAYS)
    month = start.date().replace(day=1)
    while month <= end.date():
        make_months(today=month)
        month = _next(month)
    with _without_triggers() as cursor:
        _choices(cursor)
        for first in range(1, rows + 1, PART):
            when = {"start": start, "span": end - start, "parts": float(rows + 1)}
            cursor.execute(_EVENTS, {**when, "first": first, "last": min(first + PART - 1, rows)})
        cursor.execute(
            "INSERT INTO usage_usagerequest SELECT 'req_past_' || lpad(to_hex(number), 15, '0') "
            "FROM generate_series(1, %s) AS number",
            [rows],
        )
        for statement in _ROLLUPS:
            cursor.execute(statement)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE) usage_usageevent, usage_usagehour, usage_usageday")  # as autovacuum does
        cursor.execute("SELECT count(*) FROM pg_inherits WHERE inhparent = 'usage_usageevent'::regclass")
        months = cursor.fetchone()[0]
        cursor.execute("SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('usage_usageevent')")
        size = cursor.fetchone()[0]
    largest = _largest()
    return {
        "events": UsageEvent.objects.count(),
        "months": months - 1,  # and one for those of no month
        "gb": float(size) / 2**30,
        "largest": UsageEvent.objects.filter(account=largest).count(),
        "hours": UsageHour.objects.filter(account=largest).count(),
        "seconds": time.perf_counter() - began,
    }


@contextmanager
def _without_triggers() -> Iterator[Any]:
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        try:
            yield cursor
        finally:
            cursor.execute("SET session_replication_role = DEFAULT")


def _next(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def _choices(cursor: Any) -> None:
    """Which key and model a number stands for: as the traffic's keys, the first account's most of all."""
    keys = list(ApiKey.objects.order_by("account_id", "pk"))
    shares = weights_of(keys)
    cursor.execute("CREATE TEMP TABLE bench_slots (slot bigint PRIMARY KEY, api_key_id bigint)")
    place = 0
    for slot in range(SLOTS):
        while shares[place] < shares[-1] * (slot + 0.5) / SLOTS:
            place += 1
        cursor.execute("INSERT INTO bench_slots VALUES (%s, %s)", [slot, keys[place].pk])
    cursor.execute("CREATE TEMP TABLE bench_models (slot int PRIMARY KEY, model text, price bigint)")
    prices = dict(PriceVersion.objects.values_list("ai_model__public_name", "pk"))
    for slot in range(100):
        model = MODELS[bisect(SHARES, slot)]
        cursor.execute("INSERT INTO bench_models VALUES (%s, %s, %s)", [slot, model, prices[model]])


def _largest() -> Account:
    return Account.objects.get(
        pk=UsageHour.objects.values_list("account").annotate(rows=Count("pk")).order_by("-rows")[0][0]
    )


def pages() -> dict[str, Any]:
    account = _largest()
    key = ApiKey.objects.filter(account=account).latest("pk")
    client = Client()
    client.force_login(
        User.objects.get(memberships__account=account), "allauth.account.auth_backends.AuthenticationBackend"
    )
    choices = [
        *("", "period=24h", "period=7d", "period=90d", "period=90d&group=key", "period=90d&group=project"),
        f"period=90d&key={key.public_id}",
        "period=90d&project=second",
        f"period=90d&model={MODELS[-1]}",
        f"period=90d&model={MODELS[-1]}&key={key.public_id}",
        f"period=90d&model=nothing-of-the-kind&key={key.public_id}",
    ]
    return {"pages": [_visited(client, f"/a/{account.slug}/usage/?{choice}") for choice in choices]}


def _visited(client: Client, address: str) -> dict[str, Any]:
    visits = []
    for _ in range(VISITS):
        with timed_queries() as times:
            answer = client.get(address)
        assert answer.status_code == 200, (address, answer.status_code)
        visits.append(times)
    return {
        "address": address.partition("usage/")[2],
        "queries": len(visits[0]),
        "first_ms": sum(visits[0]) * 1000,
        "then_ms": max(sum(times) for times in visits[1:]) * 1000,
        "slowest_ms": max(map(max, visits)) * 1000,
    }


@contextmanager
def timed_queries() -> Iterator[list[float]]:
    """The seconds that each query took until the database had answered."""
    times: list[float] = []

    def timed(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(sql, parameters, many, context)
        finally:
            times.append(time.perf_counter() - began)

    with connection.execute_wrapper(timed):
        yield times
