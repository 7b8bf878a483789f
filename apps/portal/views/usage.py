"""Who used what: charts, shares and the log of requests, all by filters in the address."""

from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.accounts import selectors as accounts
from apps.keys import selectors as keys
from apps.portal.access import MemberRequest, member_page
from apps.portal.charts import METRICS, build_chart
from apps.portal.exports import requests_csv
from apps.portal.filters import GROUPS, UsageFilters, usage_filters
from apps.portal.periods import PERIODS
from apps.usage import selectors
from apps.usage.contracts import RequestRow, UsageBucket

PAGE = 25
MOST_EXPORTED = 10_000


@require_safe
@member_page()
def usage(request: MemberRequest) -> HttpResponse:
    now = timezone.now()
    filters = usage_filters(request)
    since = filters.period.since(now)
    buckets = _series(request, filters, since)
    log = _log(request, filters, since, limit=PAGE + 1)
    context = {
        "filters": filters,
        "totals": selectors.totals_of_account(account_id=request.account.id, since=since, **filters.owned),
        "chart": build_chart(buckets, period=filters.period, metric=filters.metric, now=now),
        "shares": _shares(request, filters, since),
        "log": log[:PAGE],
        "older": log[PAGE - 1].started_at.isoformat() if len(log) > PAGE else None,
        "choices": _choices(request, since, filters),
        "most_exported": MOST_EXPORTED,
    }
    return render(request, "portal/usage.html", context)


@require_safe
@member_page()
def export(request: MemberRequest) -> HttpResponse:
    """The newest requests of the period, as a table for spreadsheets."""
    filters = usage_filters(request)
    since = filters.period.since(timezone.now())
    response = HttpResponse(
        requests_csv(_log(request, filters, since, limit=MOST_EXPORTED)),
        content_type="text/csv; charset=utf-8",
    )
    name = f"artemis-{request.account.slug}-{filters.period.slug}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _series(request: MemberRequest, filters: UsageFilters, since: datetime) -> list[UsageBucket]:
    owned: dict[str, Any] = {"account_id": request.account.id, "group_by": filters.group, **filters.owned}
    if filters.period.by_hour:
        return selectors.hourly_series(since=since, **owned)
    return selectors.daily_series(since=since.date(), **owned)


def _log(request: MemberRequest, filters: UsageFilters, since: datetime, limit: int) -> list[RequestRow]:
    return selectors.recent_requests(
        account_id=request.account.id, limit=limit, since=since, before=filters.before, **filters.owned
    )


def _shares(request: MemberRequest, filters: UsageFilters, since: datetime) -> list[dict[str, Any]]:
    """Each group's part of the whole, by the chosen measure; two keys of one name stay two."""
    found = selectors.shares(account_id=request.account.id, since=since, group_by=filters.group, **filters.owned)
    rows: list[dict[str, Any]] = [
        {
            "label": share.label,
            "requests": share.totals.requests,
            "tokens": share.totals.input_tokens + share.totals.output_tokens,
            "cost": share.totals.cost,
        }
        for share in found
    ]
    measure = filters.metric.slug
    whole = sum(row[measure] for row in rows)
    ranked = sorted(rows, key=lambda row: (-row[measure], row["label"]))
    return [{**row, "part": row[measure], "whole": whole} for row in ranked]


def _choices(request: MemberRequest, since: datetime, filters: UsageFilters) -> dict[str, Any]:
    used = {
        share.identifier for share in selectors.shares(account_id=request.account.id, since=since, group_by="model")
    }
    return {
        "periods": PERIODS.values(),
        "metrics": METRICS.values(),
        "groups": GROUPS.items(),
        "projects": accounts.projects_of_account(account_id=request.account.id, archived=True),
        "keys": keys.keys_of_account(account_id=request.account.id),
        "models": sorted(used | ({filters.model} if filters.model else set())),
    }
