"""The staff's page of finance: revenue by model and day, margins, credit given, fees, refunds, what is owed."""

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.billing import selectors as billing
from apps.billing.contracts import DailyRevenue
from apps.catalog import selectors as catalog
from apps.common.money import NANO_PER_USD, usd_to_nano
from apps.portal.charts import METRICS, build_chart
from apps.portal.desk.margins import Margins, margins
from apps.portal.exports import neutral
from apps.portal.periods import PERIODS, Period
from apps.usage import selectors as usage
from apps.usage.contracts import UsageBucket, UsageTotals

CHOICES = {slug: period for slug, period in PERIODS.items() if not period.by_hour}
DEFAULT = "30d"
FEES = "subscriptions"  # as the ledger names their revenue
may_look = permission_required("billing.view_ledgertransaction", raise_exception=True)


@require_safe
@may_look
def finance(request: HttpRequest) -> HttpResponse:
    period, now = _period(request), timezone.now()
    since, until = period.since(now).date(), now.astimezone(UTC).date()
    revenue = billing.daily_revenue(since=since, until=until)
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Finance",
        "period": period,
        "periods": CHOICES.values(),
        "chart": build_chart(_buckets(revenue), period=period, metric=METRICS["cost"], now=now),
        "revenue": _by_model(revenue),
        "revenue_total": sum(one.amount for one in revenue),
        "moved": billing.movements(since=since, until=until),
        "standing": billing.standing(),
        "margins": _margins(since, until, now),
        "gpu_hour": settings.ENGINE_COST_PER_GPU_HOUR_USD,
    }
    return TemplateResponse(request, "admin/finance.html", context)


@require_safe
@may_look
def revenue_csv(request: HttpRequest) -> HttpResponse:
    """By day and model, as a table for spreadsheets."""
    period, now = _period(request), timezone.now()
    rows = billing.daily_revenue(since=period.since(now).date(), until=now.astimezone(UTC).date())
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(("day", "model", "revenue_usd"))
    for row in rows:
        writer.writerow((row.day.isoformat(), neutral(row.model), format(Decimal(row.amount) / NANO_PER_USD, "f")))
    response = HttpResponse(buffer.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="artemis-revenue-{period.slug}.csv"'
    return response


def _period(request: HttpRequest) -> Period:
    return CHOICES.get(request.GET.get("period", ""), CHOICES[DEFAULT])


def _name(model: str) -> str:
    return "Subscription fees" if model == FEES else model


def _buckets(revenue: list[DailyRevenue]) -> list[UsageBucket]:
    return [UsageBucket(start=one.day, totals=UsageTotals(cost=one.amount), label=_name(one.model)) for one in revenue]


def _by_model(revenue: list[DailyRevenue]) -> list[tuple[str, int]]:
    """The largest first."""
    sums: dict[str, int] = {}
    for one in revenue:
        sums[_name(one.model)] = sums.get(_name(one.model), 0) + one.amount
    return sorted(sums.items(), key=lambda item: (-item[1], item[0]))


def _margins(since: date, until: date, now: datetime) -> Margins:
    begin = datetime.combine(since, datetime.min.time(), UTC)
    rate = settings.ENGINE_COST_PER_GPU_HOUR_USD
    return margins(
        usage.use_of_deployments(since=begin, until=now),
        catalog.deployment_costs(),
        catalog.engine_uptimes(since=since, until=until),
        gpu_hour=usd_to_nano(rate) if rate else None,
    )
