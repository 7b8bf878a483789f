"""A person's own page: how they sign in, which accounts they belong to."""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from apps.accounts import services
from apps.common.errors import Invalid
from apps.portal.access import PersonRequest, person_page
from apps.portal.forms import show_error
from apps.portal.forms.people import AccountForm


@require_safe
@person_page
def profile(request: PersonRequest) -> HttpResponse:
    methods = set(Authenticator.objects.filter(user=request.user).values_list("type", flat=True))
    verified = EmailAddress.objects.filter(user=request.user, primary=True, verified=True).exists()
    return render(request, "portal/profile.html", {"methods": methods, "email_verified": verified})


@require_http_methods(["GET", "POST"])
@person_page
def new_account(request: PersonRequest) -> HttpResponse:
    form = AccountForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            account = services.create_account(name=form.cleaned_data["name"], owner_id=request.user.pk)
        except Invalid as error:
            show_error(form, error)
        else:
            return redirect("portal:overview", slug=account.slug)
    return render(request, "portal/new_account.html", {"form": form})
