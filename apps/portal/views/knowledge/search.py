"""The search in a vector store. Its question is embedded by the gateway of this process, as a request of the store's
key: admitted, metered and billed like any other."""

import secrets
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from apps.accounts.contracts import Permission
from apps.catalog.selectors import models_for_account
from apps.common.errors import ArtemisError
from apps.knowledge import services
from apps.knowledge.contracts import AUTO, Hit, Question, Results, StoreFacts, Wanted
from apps.knowledge.graph.selectors import has_graph
from apps.portal.access import POSTS_A_MINUTE, MemberRequest, limited, member_page
from apps.portal.forms.knowledge import SearchForm
from apps.portal.gateway import at_the_gateway
from apps.portal.marking import excerpt, marked, marks_of
from apps.portal.views.knowledge.finding import address_of, key_of_store, store_of_request

USUAL = {"most": 10, "by": "both", "operator": "eq", "ranker": AUTO}
OWN_PAGES = ("same-origin", "none", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A hit as it is drawn. `whole`: the passage, where the excerpt is not all of it."""

    hit: Hit
    excerpt: SafeString
    whole: SafeString | None


@require_safe
@member_page()
@limited(POSTS_A_MINUTE, key="user")
def search(request: MemberRequest, store: str) -> HttpResponse:
    facts = store_of_request(request, store)
    may_search = Permission.KEYS in request.account.permissions
    given = {**USUAL, **request.GET.dict()} if "q" in request.GET else None
    form = SearchForm(given, rankers=_rankers(request))
    context: dict[str, Any] = {"store": facts, "key": key_of_store(request, facts), "form": form}
    context["may_search"] = may_search and facts.status != "expired"
    context["has_graph"] = has_graph(account_id=facts.account_id, store_id=facts.id)
    # Another site's link fills in the form, and spends nothing.
    if context["may_search"] and request.headers.get("Sec-Fetch-Site") in OWN_PAGES and form.is_valid():
        context.update(_answered(facts, form, address_of(request)))
    return render(request, "portal/knowledge/search.html", context)


def _rankers(request: MemberRequest) -> list[str]:
    offered = models_for_account(account_id=request.account.id)
    return [model.public_name for model in offered if model.kind == "rerank"]


def _answered(store: StoreFacts, form: SearchForm, address: str) -> dict[str, Any]:
    question = form.cleaned_data["q"]
    if not store.passages:
        return {"results": []}
    try:
        found = at_the_gateway(_found(store, question, form.wanted(), address))
    except ArtemisError as error:
        return {"refusal": error.message}
    marks = marks_of(question)
    return {
        "found": found,
        "results": [_drawn(hit, marks) for hit in found.hits],
        "most_bm25": max((hit.bm25 or 0.0 for hit in found.hits), default=0),
    }


async def _found(store: StoreFacts, question: str, wanted: Wanted, address: str) -> Results:
    """Raises ArtemisError."""
    return await services.find(
        Question(
            key=await services.key_by_id(store.api_key_id, address=address),
            address=address,
            request_id=f"req_{secrets.token_hex(12)}",
            stores=[store],
            queries=[question],
            wanted=wanted,
            counted=False,
        )
    )


def _drawn(hit: Hit, marks: frozenset[str]) -> Found:
    part = excerpt(hit.text, marks)
    return Found(hit=hit, excerpt=marked(part, marks), whole=None if part == hit.text else marked(hit.text, marks))
