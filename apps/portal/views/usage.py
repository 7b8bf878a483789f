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
from apps.portal.breakdowns import BREAKDOWNS, shares, told_apart
from apps.portal.charts import METRICS, build_chart
from apps.portal.exports import breakdown_csv, requests_csv
from apps.portal.filters import UsageFilters, usage_filters
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
    period, metric = filters.period, filters.metric
    since = period.since(now)
    buckets = told_apart(_buckets(request, filters, since))
    found = shares(buckets, breakdown=filters.group, period=period, metric=metric)
    log = _log(request, filters, since, limit=PAGE + 1)
    context = {
        "filters": filters,
        "totals": selectors.totals_of_account(account_id=request.account.id, since=since, **filters.owned),
        "chart": build_chart(buckets, period=period, metric=metric, now=now),
        "shares": [(share, filters.narrowed_to(share.identifier)) for share in found],
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
    rows = _log(request, filters, since, limit=MOST_EXPORTED)
    return _spreadsheet(requests_csv(rows), f"{request.account.slug}-{filters.period.slug}")


@require_safe
@member_page()
def export_breakdown(request: MemberRequest) -> HttpResponse:
    """What the chart shows, of each group, as a table for spreadsheets."""
    filters = usage_filters(request)
    buckets = _buckets(request, filters, filters.period.since(timezone.now()))
    text = breakdown_csv(buckets, columns=filters.group.columns)
    return _spreadsheet(text, f"{request.account.slug}-by-{filters.group.slug}-{filters.period.slug}")


def _spreadsheet(text: str, name: str) -> HttpResponse:
    response = HttpResponse(text, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="artemis-{name}.csv"'
    return response


def _buckets(request: MemberRequest, filters: UsageFilters, since: datetime) -> list[UsageBucket]:
    return filters.group.buckets(period=filters.period, since=since, account_id=request.account.id, **filters.owned)


def _log(request: MemberRequest, filters: UsageFilters, since: datetime, limit: int) -> list[RequestRow]:
    return selectors.recent_requests(
        account_id=request.account.id, limit=limit, since=since, before=filters.before, **filters.owned
    )


def _choices(request: MemberRequest, since: datetime, filters: UsageFilters) -> dict[str, Any]:
    used = {
        share.identifier for share in selectors.shares(account_id=request.account.id, since=since, group_by="model")
    }
    return {
        "periods": PERIODS.values(),
        "metrics": METRICS.values(),
        "groups": BREAKDOWNS.values(),
        "projects": accounts.projects_of_account(account_id=request.account.id, archived=True),
        "keys": keys.keys_of_account(account_id=request.account.id),
        "models": sorted(used | ({filters.model} if filters.model else set())),
    }
