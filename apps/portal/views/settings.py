"""The account's name and its budget."""

from dataclasses import asdict

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from apps.accounts import services
from apps.accounts.contracts import Permission
from apps.common.errors import Invalid
from apps.portal.access import MemberRequest, member_page
from apps.portal.forms import show_error
from apps.portal.forms.people import AccountForm, BudgetForm


@require_safe
@member_page()
def account_settings(request: MemberRequest) -> HttpResponse:
    return _page(request)


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
    return _page(request, name_form=form)


@require_POST
@member_page(Permission.BILLING)
def budget(request: MemberRequest) -> HttpResponse:
    form = BudgetForm(request.POST)
    if not form.is_valid():
        return _page(request, budget_form=form)
    services.set_account_limits(account_id=request.account.id, values=form.cleaned_data)
    messages.success(request, "Saved. The budget holds from the next call on.")
    return redirect("portal:settings", slug=request.account.slug)


def _page(
    request: MemberRequest, *, name_form: AccountForm | None = None, budget_form: BudgetForm | None = None
) -> HttpResponse:
    context = {
        "name_form": name_form or AccountForm(initial={"name": request.account.name}),
        "budget_form": budget_form or BudgetForm(initial=asdict(request.account)),
    }
    return render(request, "portal/settings.html", context)
