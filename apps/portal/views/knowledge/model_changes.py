"""Another embedding model for a vector store: asked for, or taken back."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from apps.accounts.contracts import Permission
from apps.catalog.selectors import models_for_account
from apps.common.errors import ArtemisError
from apps.keys import selectors as keys
from apps.knowledge import services
from apps.knowledge.contracts import StoreFacts
from apps.portal.access import MemberRequest, member_page
from apps.portal.forms.knowledge import ModelForm
from apps.portal.gateway import at_the_gateway
from apps.portal.views.knowledge.finding import address_of, key_of_store, store_of_request


@require_POST
@member_page(Permission.KEYS)
def change_model(request: MemberRequest, store: str) -> HttpResponse:
    facts = store_of_request(request, store)
    form = ModelForm(request.POST, models=[*embedding_models(request), facts.embedding_model])
    if form.is_valid():
        try:
            _change(request, facts, form.cleaned_data["embedding_model"])
        except ArtemisError as error:
            messages.error(request, error.message)
    else:
        for said in form.errors["embedding_model"]:
            messages.error(request, str(said))
    return redirect("portal:store", slug=request.account.slug, store=store)


def embedding_models(request: MemberRequest) -> list[str]:
    offered = models_for_account(account_id=request.account.id)
    return [model.public_name for model in offered if model.kind == "embedding"]


def _change(request: MemberRequest, store: StoreFacts, name: str) -> None:
    """Its own model ends a change, and needs no leave. Raises ArtemisError."""
    row, address = key_of_store(request, store), address_of(request)
    key = keys.facts_of_key(account_id=request.account.id, public_id=row.public_id)
    if name != store.embedding_model:
        name = at_the_gateway(services.embedding_model(key, name=name, address=address))
    services.change_store(
        account_id=request.account.id,
        project_id=store.project_id,
        public_id=store.public_id,
        changes={},
        model=name,
        key=key,
        address=address,
    )
    if name != store.embedding_model:
        messages.success(request, f"The store is embedded anew, by {name}.")
    elif store.reembedding:
        messages.success(request, f"The store keeps {name}.")
