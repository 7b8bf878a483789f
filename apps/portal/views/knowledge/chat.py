"""The chat over a vector store. Each turn is a request of one of the project's keys, like any other."""

from django.http import HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.contracts import Permission
from apps.catalog.selectors import models_for_account
from apps.common.errors import ArtemisError, Invalid
from apps.keys.contracts import KeyRow
from apps.keys.selectors import facts_of_key
from apps.knowledge.contracts import StoreFacts
from apps.portal.access import MemberRequest, member_page
from apps.portal.chat.asked import LONGEST_QUESTION, Asked, asked_of
from apps.portal.chat.showing import Where
from apps.portal.chat.turn import Asking, turn
from apps.portal.events import EventsResponse
from apps.portal.views.knowledge.finding import address_of, keys_of_store, store_of_request


@require_safe
@member_page()
def chat(request: MemberRequest, store: str) -> HttpResponse:
    facts = store_of_request(request, store)
    keys = keys_of_store(request, facts)
    models = [model.public_name for model in models_for_account(account_id=request.account.id) if model.kind == "chat"]
    allowed = [name for name in models if not keys or name in (keys[0].policy.allowed_models or models)]
    context = {
        "store": facts,
        "keys": keys,
        "models": models,
        "chosen": next(iter(allowed), ""),
        "may_ask": Permission.KEYS in request.account.permissions,
        "longest": LONGEST_QUESTION,
    }
    context["is_open"] = bool(context["may_ask"] and keys and models and facts.passages and facts.status != "expired")
    return render(request, "portal/knowledge/chat.html", context)


@require_POST
@member_page(Permission.KEYS)
def ask(request: MemberRequest, store: str) -> HttpResponseBase:
    """Answers with events (see apps.portal.chat.turn), or with the sentence that says why there is no turn at all."""
    facts = store_of_request(request, store)
    try:
        asked = asked_of(request.body)
        key = _key(asked, facts, keys_of_store(request, facts))
    except ArtemisError as error:
        return JsonResponse({"message": error.message}, status=error.status)
    asking = Asking(
        asked=asked,
        account_id=request.account.id,
        key_id=facts_of_key(account_id=request.account.id, public_id=key.public_id).key_id,
        address=address_of(request),
        where=Where(slug=request.account.slug, store=facts.public_id),
    )
    return EventsResponse(turn(asking))


def _key(asked: Asked, store: StoreFacts, keys: list[KeyRow]) -> KeyRow:
    """Raises Invalid."""
    if store.status == "expired":
        raise Invalid(None, "This store has expired: it is not searched any more.")
    if not store.passages:
        raise Invalid(None, "There is nothing in this store that can be searched yet.")
    found = next((key for key in keys if key.public_id == asked.key), None)
    if found is None:
        raise Invalid("key", "Choose an active key of this store's project.")
    return found
