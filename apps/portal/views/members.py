"""Who belongs to the account, and who is invited."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from apps.accounts import selectors, services
from apps.accounts.contracts import ROLES, Permission
from apps.common.errors import Invalid
from apps.portal.access import MemberRequest, limited, member_page
from apps.portal.forms import show_error
from apps.portal.forms.people import InvitationForm


@require_safe
@member_page()
def member_list(request: MemberRequest) -> HttpResponse:
    return render(request, "portal/members.html", _context(request, _form(request)))


@require_POST
@limited("30/h", key="user_or_ip")
@member_page(Permission.MEMBERS)
def invite(request: MemberRequest) -> HttpResponse:
    form = _form(request)
    if form.is_valid():
        try:
            invitation = services.invite_member(
                account_id=request.account.id, by_id=request.user.pk, link_of_token=_link, **form.cleaned_data
            )
        except Invalid as error:
            show_error(form, error)
        else:
            messages.success(request, f"An invitation is on its way to {invitation.email}.")
            return redirect("portal:members", slug=request.account.slug)
    return render(request, "portal/members.html", _context(request, form))


@require_POST
@member_page(Permission.MEMBERS)
def change_role(request: MemberRequest, user_id: int) -> HttpResponse:
    try:
        services.change_role(
            account_id=request.account.id,
            user_id=user_id,
            role=request.POST.get("role", ""),
            by_id=request.user.pk,
        )
    except Invalid as error:
        messages.error(request, error.message)
    else:
        messages.success(request, "The role is changed.")
    return redirect("portal:members", slug=request.account.slug)


@require_POST
@member_page()
def remove(request: MemberRequest, user_id: int) -> HttpResponse:
    """Anybody may leave; the service refuses the rest to those who may not."""
    try:
        services.remove_member(account_id=request.account.id, user_id=user_id, by_id=request.user.pk)
    except Invalid as error:
        messages.error(request, error.message)
        return redirect("portal:members", slug=request.account.slug)
    if user_id == request.user.pk:
        messages.success(request, f"You left {request.account.name}.")
        return redirect("portal:dashboard")
    messages.success(request, "The member is removed.")
    return redirect("portal:members", slug=request.account.slug)


@require_POST
@member_page(Permission.MEMBERS)
def revoke_invitation(request: MemberRequest, invitation_id: int) -> HttpResponse:
    services.revoke_invitation(account_id=request.account.id, invitation_id=invitation_id, by_id=request.user.pk)
    messages.success(request, "The invitation is withdrawn; its link no longer works.")
    return redirect("portal:members", slug=request.account.slug)


def _link(token: str) -> str:
    return f"{settings.PUBLIC_URL}{reverse('portal:invitation', args=[token])}"


def _form(request: MemberRequest) -> InvitationForm:
    return InvitationForm(request.POST or None, may_make_owners=Permission.OWNERSHIP in request.account.permissions)


def _context(request: MemberRequest, form: InvitationForm) -> dict[str, Any]:
    may_manage = Permission.MEMBERS in request.account.permissions
    return {
        "form": form,
        "members": selectors.members_of_account(account_id=request.account.id),
        "invitations": selectors.open_invitations(account_id=request.account.id) if may_manage else [],
        "roles": [(role, role.capitalize(), text) for role, text in ROLES.items()],
    }
