"""The first page after signing in: the first key, then today's use, appearing by itself."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from apps.accounts import selectors as accounts
from apps.accounts import services as account_services
from apps.accounts.contracts import Permission
from apps.catalog.selectors import models_for_account
from apps.keys import selectors as keys
from apps.keys import services as key_services
from apps.keys.contracts import KeyPolicy
from apps.portal.access import MemberRequest, PersonRequest, member_page, person_page
from apps.portal.charts import METRICS, build_chart
from apps.portal.filters import project_of_request
from apps.portal.periods import PERIODS, midnight
from apps.usage import selectors as usage

RECENT = 8
SPANS = ("24h", "30d")


@require_safe
@person_page
def dashboard(request: PersonRequest) -> HttpResponse:
    """Leads to the account that was open last; a person without one gets one."""
    mine = {account.slug for account in accounts.accounts_of_user(user_id=request.user.pk)}
    last = request.session.get("account")
    slug = last if last in mine else account_services.ensure_account(user_id=request.user.pk).slug
    return redirect("portal:overview", slug=slug)


@require_safe
@member_page()
def overview(request: MemberRequest) -> HttpResponse:
    context = {**_today(request), **_snippet(request)}
    context["has_keys"] = bool(keys.keys_of_account(account_id=request.account.id))
    return render(request, "portal/overview.html", context)


@require_safe
@member_page()
def today(request: MemberRequest) -> HttpResponse:
    """The part of the page that renews itself; 204 while nothing has changed."""
    context = _today(request)
    seen = request.GET.get("seen")
    if seen == context["fingerprint"]:
        return HttpResponse(status=204)
    context["is_first"] = seen == "none"
    return render(request, "portal/partials/today.html", context)


@require_POST
@member_page(Permission.KEYS)
def first_key(request: MemberRequest) -> HttpResponse:
    """One click: a key without limits in the first project, shown once."""
    project = accounts.projects_of_account(account_id=request.account.id)[0]
    issued = key_services.create_key(
        account_id=request.account.id,
        project_slug=project.slug,
        name="First key",
        policy=KeyPolicy(),
        created_by_id=request.user.pk,
    )
    context = {**_snippet(request), "issued": issued, "has_keys": True}
    if request.headers.get("HX-Request"):
        return render(request, "portal/partials/first_key.html", context)
    return render(request, "portal/overview.html", {**_today(request), **context})


def _snippet(request: MemberRequest) -> dict[str, Any]:
    offered = models_for_account(account_id=request.account.id)
    chat = next((model.public_name for model in offered if model.kind == "chat"), "")
    return {"snippet_model": chat}


def _today(request: MemberRequest) -> dict[str, Any]:
    """Totals since midnight (UTC), the chart and the latest requests, of one project or of all."""
    now = timezone.now()
    owned: dict[str, Any] = {"account_id": request.account.id, "project_slug": project_of_request(request)}
    span = PERIODS[request.GET["span"]] if request.GET.get("span") in SPANS else PERIODS["24h"]
    since = span.since(now)
    if span.by_hour:
        buckets = usage.hourly_series(since=since, **owned)
    else:
        buckets = usage.daily_series(since=since.date(), **owned)
    totals = usage.totals_of_account(since=midnight(now), **owned)
    recent = usage.recent_requests(limit=RECENT, **owned)
    return {
        "totals": totals,
        "chart": build_chart(buckets, period=span, metric=METRICS["requests"], now=now),
        "spans": [PERIODS[slug] for slug in SPANS],
        "recent": recent,
        "project_slug": owned["project_slug"],
        "projects": accounts.projects_of_account(account_id=request.account.id),
        "fingerprint": f"{recent[0].request_id}.{totals.requests}" if recent else "none",
    }
