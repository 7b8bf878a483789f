"""API keys: list, make, change, switch off and on, rotate, revoke."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts import selectors as accounts
from apps.accounts.contracts import Permission
from apps.alerts.selectors import budgets_by_reference
from apps.catalog.selectors import models_for_account
from apps.common.errors import Forbidden, Invalid
from apps.keys import selectors, services
from apps.keys.contracts import IssuedKey, KeyRow
from apps.portal.access import MemberRequest, member_page
from apps.portal.filters import project_of_request
from apps.portal.forms import show_error
from apps.portal.forms.keys import KeyForm, RotateForm, initial_of


@require_safe
@member_page()
def key_list(request: MemberRequest) -> HttpResponse:
    project = project_of_request(request)
    context = {
        "keys": selectors.keys_of_account(account_id=request.account.id, project_slug=project),
        "projects": accounts.projects_of_account(account_id=request.account.id),
        "project_slug": project,
        "budgets": budgets_by_reference(account_id=request.account.id, scope="key"),
    }
    return render(request, "portal/keys.html", context)


@require_http_methods(["GET", "POST"])
@member_page(Permission.KEYS)
def new_key(request: MemberRequest) -> HttpResponse:
    projects = accounts.projects_of_account(account_id=request.account.id)
    form = KeyForm(
        request.POST or None,
        models=_model_names(request),
        projects=projects,
        initial={"project": request.GET.get("project")},
    )
    if request.method == "POST" and form.is_valid():
        try:
            issued = services.create_key(
                account_id=request.account.id,
                project_slug=form.cleaned_data["project"] or projects[0].slug,
                name=form.cleaned_data["name"],
                policy=form.policy(),
                created_by_id=request.user.pk,
            )
        except Invalid as error:
            show_error(form, error)
        else:
            return _show_once(request, issued, rotated=False)
    return render(request, "portal/key_form.html", {"form": form})


@require_http_methods(["GET", "POST"])
@member_page()
def edit_key(request: MemberRequest, public_id: str) -> HttpResponse:
    """Everybody may look; saving needs the right to."""
    key = selectors.key_of_account(account_id=request.account.id, public_id=public_id)
    may_edit = Permission.KEYS in request.account.permissions and key.status != "revoked"
    names = sorted({*_model_names(request), *key.policy.allowed_models})
    form = KeyForm(request.POST or None, models=names, projects=(), initial=initial_of(key))
    if request.method == "POST":
        return _save(request, key, form) if may_edit else _not_editable(request, key)
    return render(request, "portal/key_form.html", {"form": form, "key": key, "may_edit": may_edit})


@require_POST
@member_page(Permission.KEYS)
def switch_key(request: MemberRequest, public_id: str) -> HttpResponse:
    disabled = request.POST.get("disabled") == "yes"
    try:
        services.set_disabled(account_id=request.account.id, public_id=public_id, disabled=disabled)
    except Invalid as error:
        messages.error(request, error.message)
    else:
        messages.success(request, "The key is off. Calls with it are refused." if disabled else "The key works again.")
    return redirect("portal:keys", slug=request.account.slug)


@require_http_methods(["GET", "POST"])
@member_page(Permission.KEYS)
def rotate_key(request: MemberRequest, public_id: str) -> HttpResponse:
    key = selectors.key_of_account(account_id=request.account.id, public_id=public_id)
    form = RotateForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            issued = services.rotate_key(account_id=request.account.id, public_id=public_id, grace=form.period())
        except Invalid as error:
            show_error(form, error)
        else:
            return _show_once(request, issued, rotated=True)
    return render(request, "portal/key_rotate.html", {"form": form, "key": key})


@require_http_methods(["GET", "POST"])
@member_page(Permission.KEYS)
def revoke_key(request: MemberRequest, public_id: str) -> HttpResponse:
    key = selectors.key_of_account(account_id=request.account.id, public_id=public_id)
    if request.method == "POST":
        services.revoke_key(account_id=request.account.id, public_id=public_id)
        messages.success(request, f"“{key.name}” is revoked. Calls with it are refused from now on.")
        return redirect("portal:keys", slug=request.account.slug)
    return render(request, "portal/key_revoke.html", {"key": key})


def _save(request: MemberRequest, key: KeyRow, form: KeyForm) -> HttpResponse:
    if form.is_valid():
        try:
            services.update_key(
                account_id=request.account.id,
                public_id=key.public_id,
                name=form.cleaned_data["name"],
                policy=form.policy(),
            )
        except Invalid as error:
            show_error(form, error)
        else:
            messages.success(request, "Saved. The new limits hold from the next call on.")
            return redirect("portal:keys", slug=request.account.slug)
    return render(request, "portal/key_form.html", {"form": form, "key": key, "may_edit": True})


def _not_editable(request: MemberRequest, key: KeyRow) -> HttpResponse:
    if key.status == "revoked":
        messages.error(request, "This key is revoked; make a new one.")
        return redirect("portal:keys", slug=request.account.slug)
    raise Forbidden("Your role does not let you change keys. Ask an owner or an admin.")


def _show_once(request: MemberRequest, issued: IssuedKey, *, rotated: bool) -> HttpResponse:
    offered = models_for_account(account_id=request.account.id)
    chat = next((model.public_name for model in offered if model.kind == "chat"), "")
    context = {"issued": issued, "rotated": rotated, "snippet_model": chat}
    return render(request, "portal/key_issued.html", context)


def _model_names(request: MemberRequest) -> list[str]:
    return [model.public_name for model in models_for_account(account_id=request.account.id)]
