"""One request: what it used and cost, and what was said, where that is logged."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.contracts import Permission
from apps.common.endpoints import ENDPOINTS
from apps.portal.access import MemberRequest, member_page
from apps.prompts import selectors as prompts
from apps.prompts.contracts import LOGGED_ENDPOINTS
from apps.usage import selectors as usage


@require_safe
@member_page()
def request_page(request: MemberRequest, request_id: str) -> HttpResponse:
    account = request.account
    row = usage.request_of_account(account_id=account.id, request_id=request_id)
    reads = Permission.PROMPTS in account.permissions
    context = {
        "row": row,
        "endpoint": ENDPOINTS.get(row.endpoint, row.endpoint),
        "deployments": [name for name in row.deployment.split("+") if name],
        "is_logged_kind": row.endpoint in LOGGED_ENDPOINTS,
        "reads": reads,
        "prompt": prompts.logged_prompt(account_id=account.id, request_id=request_id) if reads else None,
    }
    return render(request, "portal/request.html", context)
