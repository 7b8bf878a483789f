"""Where the link of an invitation leads."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from apps.accounts import selectors, services
from apps.common.errors import ArtemisError, NotFound
from apps.portal.access import limited
from apps.portal.adapter import INVITED


@never_cache
@require_http_methods(["GET", "POST"])
@limited("60/m", key="ip")
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    try:
        invited = selectors.invitation_by_token(token=token)
    except NotFound as error:
        return render(request, "portal/invitation.html", {"problem": error.message}, status=404)
    if request.method == "POST" and request.user.is_authenticated:
        return _accept(request, token, request.user.pk)
    if invited.state == "open":
        request.session[INVITED] = invited.email
    mine = request.user.is_authenticated and request.user.email.lower() == invited.email.lower()
    response = render(request, "portal/invitation.html", {"invitation": invited, "mine": mine, "path": request.path})
    response["Referrer-Policy"] = "no-referrer"
    return response


def _accept(request: HttpRequest, token: str, user_id: int) -> HttpResponse:
    try:
        account = services.accept_invitation(token=token, user_id=user_id)
    except ArtemisError as error:
        return render(request, "portal/invitation.html", {"problem": error.message}, status=error.status)
    request.session.pop(INVITED, None)
    messages.success(request, f"Welcome to {account.name}.")
    return redirect("portal:overview", slug=account.slug)
