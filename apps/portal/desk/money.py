"""An account's money on one page of the staff's desk, and what staff do there that no other page of it does.

Bookings by hand have their own form (the ledger's); this page leads to it, filled in as far as is known.
"""

import uuid
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.decorators import permission_required
from django.contrib.contenttypes.models import ContentType
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.selectors import account_exists, account_id_of_slug, account_name
from apps.billing import selectors as billing
from apps.billing import services
from apps.common.errors import ArtemisError, NotFound
from apps.common.forms import UsdField
from apps.common.money import format_usd
from apps.gateway.selectors import held_of_account
from apps.portal.access import PersonRequest
from apps.portal.periods import PERIODS
from apps.usage import selectors as usage

HISTORY = 25
BOOKINGS = (
    ("grant", "Grant credit"),
    ("payment", "Take a payment"),
    ("refund", "Refund a payment"),
    ("usage_refund", "Refund use"),
    ("write_off", "Write off"),
)
BOOK, CHANGE_PLAN = "billing.add_ledgertransaction", "billing.change_subscription"


class AccountForm(forms.Form):
    account = forms.SlugField()


class ReasonForm(forms.Form):
    reason = forms.CharField(max_length=200, help_text="For the log of what staff did")


class PlanForm(ReasonForm):
    plan = forms.CharField(max_length=40, required=False)


class CardRefundForm(ReasonForm):
    """Its key is made with the page: sent twice, it refunds once."""

    top_up = forms.IntegerField(widget=forms.HiddenInput)
    amount = UsdField(help_text="US dollars, whole cents")
    key = forms.CharField(max_length=60, widget=forms.HiddenInput)


@require_safe
@permission_required("billing.view_customer", raise_exception=True)
def account_money(request: HttpRequest, account_id: int) -> HttpResponse:
    if not account_exists(account_id=account_id):
        raise Http404
    name, slug = account_name(account_id=account_id)
    now = timezone.now()
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": f"{name}: money",
        "account_id": account_id,
        "account_slug": slug,
        "balance": billing.balance_of_account(account_id=account_id),
        "held": held_of_account(account_id=account_id),
        "plan": billing.plan_of_account(account_id=account_id),
        "plans": billing.plans_on_offer(),
        "lots": billing.lots_of_account(account_id=account_id),
        "history": billing.credit_history(account_id=account_id, limit=HISTORY),
        "use": usage.shares(account_id=account_id, since=PERIODS["30d"].since(now), group_by="model"),
        "payments": billing.payments(),
        "unpaid": billing.unpaid_invoice(account_id=account_id),
        "automatic": billing.automatic_top_up(account_id=account_id),
        "at_stripe": billing.at_stripe(account_id=account_id),
        "bookings": BOOKINGS,
        "may_book": request.user.has_perm(BOOK),
        "may_change_plan": request.user.has_perm(CHANGE_PLAN),
        "key": uuid.uuid4(),
    }
    return TemplateResponse(request, "admin/money.html", context)


@require_safe
@permission_required("billing.view_customer", raise_exception=True)
def find_account(request: HttpRequest) -> HttpResponse:
    """To the page of the account that is named by its slug."""
    form = AccountForm({"account": request.GET.get("account", "").strip().lower()})
    try:
        account_id = account_id_of_slug(slug=form.cleaned_data["account"] if form.is_valid() else "")
    except NotFound:
        messages.error(request, "There is no such account: give its slug, as it stands in its addresses.")
        return HttpResponseRedirect(reverse("admin:accounts_account_changelist"))
    return HttpResponseRedirect(reverse("desk:account_money", args=[account_id]))


@require_POST
@permission_required(CHANGE_PLAN, raise_exception=True)
def change_plan(request: PersonRequest, account_id: int) -> HttpResponse:
    """One that is paid for through Stripe is changed there, at its price; any other one is given, or taken away."""
    form = PlanForm(request.POST)
    if not form.is_valid():
        return _back(request, account_id, "Say why.")
    plan = form.cleaned_data["plan"]
    own = billing.plan_of_account(account_id=account_id)
    try:
        if own is not None and own.by_stripe and plan:
            services.change_plan(account_id=account_id, plan_slug=plan)
        elif own is not None and own.by_stripe:
            services.end_subscription(account_id=account_id, with_period=True)
        else:
            services.give_plan(account_id=account_id, plan_slug=plan or None)
    except ArtemisError as error:
        return _back(request, account_id, error.message)
    _log(request, account_id, f"Plan: {plan or 'none'}. {form.cleaned_data['reason']}")
    messages.success(request, "The plan is changed.")
    return _back(request, account_id)


@require_POST
@permission_required(BOOK, raise_exception=True)
def refund_to_card(request: PersonRequest, account_id: int) -> HttpResponse:
    form = CardRefundForm(request.POST)
    if not form.is_valid():
        return _back(request, account_id, "Give a sum in US dollars, and say why.")
    values = form.cleaned_data
    try:
        refund = services.refund_to_card(
            account_id=account_id,
            top_up_id=values["top_up"],
            amount=values["amount"],
            key=values["key"],
            reason=values["reason"],
        )
    except ArtemisError as error:
        return _back(request, account_id, error.message)
    _log(request, account_id, f"Refunded {format_usd(values['amount'])} to the card, {refund}. {values['reason']}")
    messages.success(request, "Stripe has taken the refund.")
    return _back(request, account_id)


def _back(request: HttpRequest, account_id: int, error: str = "") -> HttpResponse:
    if error:
        messages.error(request, error)
    return HttpResponseRedirect(reverse("desk:account_money", args=[account_id]))


def _log(request: PersonRequest, account_id: int, message: str) -> None:
    LogEntry.objects.create(
        user_id=request.user.pk,
        content_type=ContentType.objects.get_by_natural_key("accounts", "account"),
        object_id=str(account_id),
        object_repr=account_name(account_id=account_id)[0],
        action_flag=CHANGE,
        change_message=message,
    )
