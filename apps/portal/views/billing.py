"""What the account has and owes, every change of it, and how credit is added."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.contracts import Permission
from apps.billing import selectors, services
from apps.common.errors import ArtemisError, Invalid, NotFound
from apps.portal.access import MemberRequest, member_page
from apps.portal.forms import show_error
from apps.portal.forms.money import TopUpForm

PAGE = 50


@require_safe
@member_page()
def billing(request: MemberRequest) -> HttpResponse:
    if session := request.GET.get("session", ""):
        return _back_from_checkout(request, session)
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
                page=settings.PUBLIC_URL + reverse("portal:billing", args=[request.account.slug]),
            )
        except Invalid as error:
            show_error(form, error)
        except ArtemisError as error:
            form.add_error(None, error.message)
        else:
            return HttpResponseRedirect(checkout)
    return billing_page(request, top_up_form=form)


def _back_from_checkout(request: MemberRequest, session: str) -> HttpResponse:
    """Says what has become of the payment, once: the address then is the page's own again."""
    state = "pending"
    try:
        state = services.look_at_top_up(account_id=request.account.id, session_id=session[:200])
    except NotFound:
        return redirect("portal:billing", slug=request.account.slug)
    except ArtemisError:
        pass  # the webhook tells of it
    if state == "paid":
        messages.success(request, "Thank you. The credit is there, and calls may use it.")
    elif state in ("failed", "expired"):
        messages.error(request, "The payment did not come through. Nothing was charged.")
    else:
        messages.info(request, "Thank you. The credit is added as soon as the payment is confirmed.")
    return redirect("portal:billing", slug=request.account.slug)


def billing_page(request: MemberRequest, **given: Any) -> HttpResponse:
    """The page, with forms that were sent and could not be done."""
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
        "payments": selectors.payments(),
        "top_up_form": TopUpForm(),
        **given,
    }
    return render(request, "portal/billing.html", context)
