"""Vector stores: list, make, delete."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from apps.accounts import selectors as accounts
from apps.accounts.contracts import Permission
from apps.catalog.selectors import models_for_account
from apps.common.errors import ArtemisError
from apps.keys import selectors as keys
from apps.knowledge import selectors, services
from apps.knowledge.contracts import StoreFacts
from apps.portal.access import MemberRequest, member_page
from apps.portal.filters import project_of_request
from apps.portal.forms import show_error
from apps.portal.forms.knowledge import ChangeStoreForm, StoreForm
from apps.portal.gateway import at_the_gateway
from apps.portal.views.knowledge.finding import address_of, store_of_request


@require_safe
@member_page()
def store_list(request: MemberRequest) -> HttpResponse:
    slug = project_of_request(request)
    every = accounts.projects_of_account(account_id=request.account.id, archived=True)
    project = next((one.id for one in every if one.slug == slug), None)
    context = {
        "stores": selectors.stores_of_account(account_id=request.account.id, project_id=project),
        "names": {one.id: one.name for one in every},
        "projects": [one for one in every if not one.archived],
        "project_slug": slug,
    }
    return render(request, "portal/knowledge/stores.html", context)


@require_http_methods(["GET", "POST"])
@member_page(Permission.KEYS)
def new_store(request: MemberRequest) -> HttpResponse:
    project = project_of_request(request)
    offered = models_for_account(account_id=request.account.id)
    form = StoreForm(
        request.POST or None,
        keys=[key for key in keys.keys_of_account(account_id=request.account.id) if key.status == "active"],
        models=[model.public_name for model in offered if model.kind == "embedding"],
        project=project,
    )
    if request.method == "POST" and form.is_valid():
        try:
            store = _made(request, form)
        except ArtemisError as error:
            show_error(form, error)
        else:
            messages.success(request, "The vector store is ready for its first files.")
            return redirect("portal:store", slug=request.account.slug, store=store.public_id)
    return render(request, "portal/knowledge/store_form.html", {"form": form})


@require_http_methods(["GET", "POST"])
@member_page(Permission.KEYS)
def change_store(request: MemberRequest, store: str) -> HttpResponse:
    facts = store_of_request(request, store)
    initial = {"name": facts.name, "description": facts.description, "expires_days": facts.expires_days}
    form = ChangeStoreForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        services.change_store(
            account_id=request.account.id, project_id=facts.project_id, public_id=store, changes=form.cleaned_data
        )
        messages.success(request, "The store is changed.")
        return redirect("portal:store", slug=request.account.slug, store=store)
    return render(request, "portal/knowledge/store_change.html", {"store": facts, "form": form})


@require_http_methods(["GET", "POST"])
@member_page(Permission.KEYS)
def delete_store(request: MemberRequest, store: str) -> HttpResponse:
    facts = store_of_request(request, store)
    if request.method == "POST":
        services.delete_store(account_id=request.account.id, project_id=facts.project_id, public_id=store)
        messages.success(request, f"“{facts.name or store}” is deleted. What is in it is removed within minutes.")
        return redirect("portal:stores", slug=request.account.slug)
    return render(request, "portal/knowledge/store_delete.html", {"store": facts})


def _made(request: MemberRequest, form: StoreForm) -> StoreFacts:
    """Raises ArtemisError."""
    values, address = form.cleaned_data, address_of(request)
    key = keys.facts_of_key(account_id=request.account.id, public_id=values["key"])
    model = at_the_gateway(services.embedding_model(key, name=values["embedding_model"], address=address))
    return services.create_store(
        key=key,
        address=address,
        embedding_model=model,
        name=values["name"],
        description=values["description"],
        expires_days=values["expires_days"],
    )
