"""What the account has and owes, every change of it, how credit is added, and its plan."""

import contextlib
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.contracts import Permission
from apps.accounts.selectors import letters_of_account
from apps.billing import selectors, services
from apps.common.errors import ArtemisError, Invalid, NotFound
from apps.common.money import NANO_PER_USD
from apps.portal.access import MemberRequest, member_page
from apps.portal.forms import show_error
from apps.portal.forms.money import AutoTopUpForm, TopUpForm
from apps.portal.history import rows_of

PAGE = 200
LETTERS = 3


@require_safe
@member_page()
def billing(request: MemberRequest) -> HttpResponse:
    if Permission.BILLING in request.account.permissions:
        if session := request.GET.get("session", ""):
            return _back_from_checkout(request, session[:200])
        if session := request.GET.get("subscribed", ""):
            return _back_with_plan(request, session[:200])
    return billing_page(request)


@require_POST
@member_page(Permission.BILLING)
def top_up(request: MemberRequest) -> HttpResponse:
    form = TopUpForm(request.POST)
    if form.is_valid():
        try:
            checkout = services.start_top_up(
                account_id=request.account.id,
                amount=form.cleaned_data["amount"],
                actor_id=request.user.pk,
                page=_address(request),
            )
        except Invalid as error:
            show_error(form, error)
        except ArtemisError as error:
            form.add_error(None, error.message)
        else:
            return HttpResponseRedirect(checkout)
    return billing_page(request, top_up_form=form)


@require_POST
@member_page(Permission.BILLING)
def auto_top_up(request: MemberRequest) -> HttpResponse:
    """Turns it on, with what was agreed to, or off."""
    form = AutoTopUpForm(request.POST, prefix="auto")
    try:
        if request.POST.get("stop"):
            services.stop_auto_top_up(account_id=request.account.id)
            messages.success(request, "Automatic top-up is off.")
            return _back(request)
        if form.is_valid():
            values = {name: form.cleaned_data[name] for name in ("threshold", "amount", "monthly_cap")}
            services.set_auto_top_up(account_id=request.account.id, actor_id=request.user.pk, **values)
            messages.success(request, "Automatic top-up is on.")
            return _back(request)
    except NotFound:
        raise
    except Invalid as error:
        show_error(form, error)
    except ArtemisError as error:
        form.add_error(None, error.message)
    return billing_page(request, auto_form=form)


@require_safe
@member_page()
def next_invoice(request: MemberRequest) -> HttpResponse:
    """A part of the page that Stripe is asked for."""
    try:
        invoice = services.preview_next_invoice(account_id=request.account.id)
    except ArtemisError as error:
        return render(request, "portal/partials/next_invoice.html", {"problem": error.message})
    return render(request, "portal/partials/next_invoice.html", {"invoice": invoice})


@require_POST
@member_page(Permission.BILLING)
def subscribe(request: MemberRequest) -> HttpResponse:
    return _sent_to(
        request,
        lambda: services.start_subscription(
            account_id=request.account.id, plan_slug=request.POST.get("plan", ""), page=_address(request)
        ),
    )


@require_POST
@member_page(Permission.BILLING)
def cards(request: MemberRequest) -> HttpResponse:
    """To Stripe's pages for cards and invoices."""
    return _sent_to(
        request, lambda: services.open_customer_portal(account_id=request.account.id, page=_address(request))
    )


@require_http_methods(["GET", "HEAD", "POST"])
@member_page(Permission.BILLING)
def change_plan(request: MemberRequest, plan: str) -> HttpResponse:
    """First what it costs, then the change."""
    try:
        if request.method == "POST":
            services.change_plan(account_id=request.account.id, plan_slug=plan)
            messages.success(request, "The plan is changed.")
        else:
            change = services.preview_change(account_id=request.account.id, plan_slug=plan)
            return render(request, "portal/change_plan.html", {"change": change, "slug": plan})
    except NotFound:
        raise
    except ArtemisError as error:
        messages.error(request, error.message)
    return _back(request)


@require_http_methods(["GET", "HEAD", "POST"])
@member_page(Permission.BILLING)
def end_subscription(request: MemberRequest) -> HttpResponse:
    """First what ends with it, then the end. Or, with `end=no`, it goes on after all."""
    if request.method != "POST":
        plan = selectors.plan_of_account(account_id=request.account.id)
        if plan is None or not plan.by_stripe or plan.ends_with_period:
            return _back(request)
        return render(request, "portal/end_plan.html", {"plan": plan})
    ends = request.POST.get("end") == "yes"
    try:
        services.end_subscription(account_id=request.account.id, with_period=ends)
    except NotFound:
        raise
    except ArtemisError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, "The plan ends with the month that is paid for." if ends else "The plan goes on.")
    return _back(request)


def _sent_to(request: MemberRequest, address: Callable[[], str]) -> HttpResponse:
    """To a page of Stripe's; back, with what is wrong, where there is none."""
    try:
        return HttpResponseRedirect(address())
    except NotFound:
        raise
    except ArtemisError as error:
        messages.error(request, error.message)
    return _back(request)


def _address(request: MemberRequest) -> str:
    page: str = settings.PUBLIC_URL + reverse("portal:billing", args=[request.account.slug])
    return page


def _back(request: MemberRequest) -> HttpResponse:
    return redirect("portal:billing", slug=request.account.slug)


def _back_with_plan(request: MemberRequest, session: str) -> HttpResponse:
    with contextlib.suppress(ArtemisError):  # the webhook tells of it
        services.look_at_subscription(account_id=request.account.id, session_id=session)
    plan = selectors.plan_of_account(account_id=request.account.id)
    if plan is not None:
        messages.success(request, f"Thank you. This account has {plan.name} now.")
    else:
        messages.info(request, "Thank you. The plan begins as soon as the payment is confirmed.")
    return _back(request)


def _back_from_checkout(request: MemberRequest, session: str) -> HttpResponse:
    """Says what has become of the payment, once: the address then is the page's own again."""
    state = "pending"
    try:
        state = services.look_at_top_up(account_id=request.account.id, session_id=session)
    except NotFound:
        return _back(request)
    except ArtemisError:
        pass  # the webhook tells of it
    if state == "paid":
        messages.success(request, "Thank you. The credit is there, and calls may use it.")
    elif state in ("failed", "expired"):
        messages.error(request, "The payment did not come through. Nothing was charged.")
    else:
        messages.info(request, "Thank you. The credit is added as soon as the payment is confirmed.")
    return _back(request)


def _automatic(request: MemberRequest) -> dict[str, Any]:
    auto = selectors.automatic_top_up(account_id=request.account.id)
    first = {"threshold": 5 * NANO_PER_USD, "amount": 25 * NANO_PER_USD, "monthly_cap": 100 * NANO_PER_USD}
    agreed = {name: getattr(auto, name) for name in first} if auto is not None else first
    return {"auto": auto, "auto_form": AutoTopUpForm(initial=agreed, prefix="auto")}


def billing_page(request: MemberRequest, **given: Any) -> HttpResponse:
    """The page, with forms that were sent and could not be done."""
    before = request.GET.get("before", "")
    letters = letters_of_account(account_id=request.account.id)
    history = selectors.credit_history(
        account_id=request.account.id,
        limit=PAGE + 1,
        before=int(before) if before.isdecimal() and len(before) < 19 else None,
    )
    context = {
        "balance": selectors.balance_of_account(account_id=request.account.id),
        "lots": selectors.lots_of_account(account_id=request.account.id),
        "history": rows_of(history[:PAGE]),
        "older": history[PAGE - 1].id if len(history) > PAGE else None,
        "before": before,
        "payments": selectors.payments(),
        "top_up_form": TopUpForm(),
        "is_customer": selectors.is_customer(account_id=request.account.id),
        "plan": selectors.plan_of_account(account_id=request.account.id),
        "included": selectors.included_use(account_id=request.account.id),
        "plans": selectors.plans_on_offer(),
        "invoices": selectors.invoices_of_account(account_id=request.account.id),
        "unpaid": selectors.unpaid_invoice(account_id=request.account.id),
        "letters": letters[:LETTERS],
        "earlier_letters": letters[LETTERS:],
        **_automatic(request),
        **given,
    }
    return render(request, "portal/billing.html", context)
