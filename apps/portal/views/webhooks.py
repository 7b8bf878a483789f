"""The account's webhook: where it is told of its budgets, besides by mail."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from apps.accounts.contracts import Permission
from apps.alerts import services
from apps.common.errors import Invalid
from apps.portal.access import MemberRequest, member_page
from apps.portal.forms import show_error
from apps.portal.forms.people import WebhookForm
from apps.portal.views.settings import settings_page


@require_POST
@member_page(Permission.BILLING)
def save(request: MemberRequest) -> HttpResponse:
    form = WebhookForm(request.POST)
    if form.is_valid():
        try:
            secret = services.set_webhook(account_id=request.account.id, url=form.cleaned_data["url"])
        except Invalid as error:
            show_error(form, error)
        else:
            if secret:
                return settings_page(request, webhook_secret=secret)
            messages.success(request, "Saved.")
            return _back(request)
    return settings_page(request, webhook_form=form)


@require_POST
@member_page(Permission.BILLING)
def renew(request: MemberRequest) -> HttpResponse:
    return settings_page(request, webhook_secret=services.renew_secret(account_id=request.account.id))


@require_POST
@member_page(Permission.BILLING)
def test(request: MemberRequest) -> HttpResponse:
    try:
        services.send_test(account_id=request.account.id)
    except Invalid as error:
        messages.error(request, error.message)
    else:
        messages.success(request, "A test is on its way. What comes of it stands below in a few seconds.")
    return _back(request)


@require_POST
@member_page(Permission.BILLING)
def remove(request: MemberRequest) -> HttpResponse:
    services.remove_webhook(account_id=request.account.id)
    messages.success(request, "The webhook is removed. Mails go on.")
    return _back(request)


def _back(request: MemberRequest) -> HttpResponse:
    return redirect("portal:settings", slug=request.account.slug)
