"""What the account has and owes, and every change of it."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.billing import selectors
from apps.portal.access import MemberRequest, member_page

PAGE = 50


@require_safe
@member_page()
def billing(request: MemberRequest) -> HttpResponse:
    before = request.GET.get("before", "")
    history = selectors.credit_history(
        account_id=request.account.id,
        limit=PAGE + 1,
        before=int(before) if before.isdecimal() and len(before) < 19 else None,
    )
    context = {
        "balance": selectors.balance_of_account(account_id=request.account.id),
        "lots": selectors.lots_of_account(account_id=request.account.id),
        "history": history[:PAGE],
        "older": history[PAGE - 1].id if len(history) > PAGE else None,
        "before": before,
    }
    return render(request, "portal/billing.html", context)
