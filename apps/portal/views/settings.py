"""The account's name, its budgets, and who is told of them."""

from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from apps.accounts import services
from apps.accounts.contracts import Permission
from apps.alerts import selectors as alerts
from apps.common.errors import Invalid
from apps.portal.access import MemberRequest, member_page
from apps.portal.forms import show_error
from apps.portal.forms.people import AccountForm, BudgetForm, PromptLogForm, WebhookForm
from apps.prompts import selectors as prompts


@require_safe
@member_page()
def account_settings(request: MemberRequest) -> HttpResponse:
    return settings_page(request)


@require_POST
@member_page(Permission.SETTINGS)
def rename(request: MemberRequest) -> HttpResponse:
    form = AccountForm(request.POST)
    if form.is_valid():
        try:
            services.rename_account(account_id=request.account.id, name=form.cleaned_data["name"])
        except Invalid as error:
            show_error(form, error)
        else:
            messages.success(request, "Saved.")
            return redirect("portal:settings", slug=request.account.slug)
    return settings_page(request, name_form=form)


@require_POST
@member_page(Permission.BILLING)
def budget(request: MemberRequest) -> HttpResponse:
    form = BudgetForm(request.POST)
    if not form.is_valid():
        return settings_page(request, budget_form=form)
    services.set_account_limits(account_id=request.account.id, values=form.cleaned_data)
    messages.success(request, "Saved. The budget holds from the next call on.")
    return redirect("portal:settings", slug=request.account.slug)


def settings_page(request: MemberRequest, **given: Any) -> HttpResponse:
    """The page, with forms that were sent and could not be saved, or with a secret that is shown this once."""
    account = request.account
    webhook = alerts.webhook_of_account(account_id=account.id)
    context = {
        "name_form": AccountForm(initial={"name": account.name}),
        "budget_form": BudgetForm(initial=asdict(account)),
        "prompt_form": PromptLogForm(most=settings.PROMPT_LOG_MAX_DAYS, initial={"days": account.prompt_log_days}),
        "prompts": prompts.kept_of_account(account_id=account.id),
        "most_prompt_days": settings.PROMPT_LOG_MAX_DAYS,
        "budgets": alerts.budgets_of_account(account_id=account.id),
        "webhook": webhook,
        "webhook_form": WebhookForm(initial={"url": webhook.url if webhook else ""}),
        "alerts": alerts.alerts_of_account(account_id=account.id),
        "deliveries": alerts.deliveries_of_account(account_id=account.id),
        **given,
    }
    return render(request, "portal/settings.html", context)
