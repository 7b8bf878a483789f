"""A store's graph: its picture and its entities, how far it is built, and what it would cost."""

import zlib
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.contracts import Permission
from apps.catalog.contracts import ModelFacts
from apps.catalog.selectors import models_for_account
from apps.common.errors import ArtemisError
from apps.keys import selectors as keys
from apps.knowledge.contracts import StoreFacts
from apps.knowledge.graph import selectors, services
from apps.knowledge.graph.contracts import EntityFacts, GraphFacts, Picture
from apps.portal.access import MemberRequest, member_page
from apps.portal.forms.graph import OFFLINE, BuildForm, EntitiesForm
from apps.portal.views.knowledge.finding import key_of_store, store_of_request

A_PAGE, MERGES, NODES = 25, 20, 60
NEIGHBOURS, DEPTH = 40, 1


@require_safe
@member_page()
def graph_page(request: MemberRequest, store: str) -> HttpResponse:
    facts = store_of_request(request, store)
    where = place_of(facts)
    graph = selectors.graph_of_store(**where)
    form = EntitiesForm(request.GET or None)
    context: dict[str, Any] = {
        **_state(request, facts, graph),
        "form": form if request.GET else EntitiesForm(),
        "build_form": BuildForm(models=_names(request), built_by=graph.model),
        "key": key_of_store(request, facts),
    }
    if graph.status != "none":
        asked = form.cleaned_data if form.is_valid() else {}
        found, more = selectors.entities_of_store(
            **where,
            limit=A_PAGE,
            search=asked.get("q", ""),
            kind=asked.get("kind", ""),
            after=_known(request.GET.get("after", "")),
        )
        context |= {
            "entities": found,
            "most_mentioned": max((one.mentions for one in found), default=1),
            "older": found[-1].id if more else None,
            "asked": asked,
            "least": form.least(),
            "merges": selectors.merges_of_store(**where, since=0, limit=MERGES, undone=False),
        }
    return render(request, "portal/knowledge/graph.html", context)


@require_safe
@member_page()
def picture(request: MemberRequest, store: str) -> HttpResponse:
    """As JSON: the most mentioned entities, or what is round the one that is named by `entity`."""
    facts = store_of_request(request, store)
    form = EntitiesForm(request.GET)
    least = form.least()
    if named := request.GET.get("entity"):
        found = selectors.neighbourhood(**place_of(facts), entity_id=named, depth=DEPTH, limit=NEIGHBOURS, least=least)
    else:
        kind = form.cleaned_data.get("kind", "")
        found = selectors.picture_of_store(**place_of(facts), limit=NODES, least=least, kind=kind)
    return JsonResponse(_drawn(found))


@require_safe
@member_page()
def progress(request: MemberRequest, store: str) -> HttpResponse:
    """The part of the page that renews itself; 204 while nothing has changed."""
    facts = store_of_request(request, store)
    context = _state(request, facts, selectors.graph_of_store(**place_of(facts)))
    if request.GET.get("seen", "") == context["fingerprint"]:
        return HttpResponse(status=204)
    return render(request, "portal/knowledge/graph_status.html", {**context, "renews": True})


@require_safe
@member_page()
def show_estimate(request: MemberRequest, store: str) -> HttpResponse:
    facts = store_of_request(request, store)
    found = services.estimate(**place_of(facts), model=_model(request, request.GET.get("by", "")))
    return render(request, "portal/knowledge/graph_estimate.html", {"estimate": found, "store": facts})


@require_POST
@member_page(Permission.KEYS)
def build(request: MemberRequest, store: str) -> HttpResponse:
    facts = store_of_request(request, store)
    form = BuildForm(request.POST, models=_names(request))
    if not form.is_valid():
        messages.error(request, "This model is not on offer any more. Choose another one.")
        return redirect("portal:graph", slug=request.account.slug, store=store)
    model = _model(request, form.cleaned_data["by"])
    try:
        key = keys.facts_of_key(account_id=request.account.id, public_id=key_of_store(request, facts).public_id)
        services.build_graph(
            key=key,
            store_id=store,
            method="model" if model else OFFLINE,
            model=model.public_name if model else "",
        )
    except ArtemisError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, "The graph is being built. Files that come later follow by themselves.")
    return redirect("portal:graph", slug=request.account.slug, store=store)


@require_POST
@member_page(Permission.KEYS)
def stop(request: MemberRequest, store: str) -> HttpResponse:
    facts = store_of_request(request, store)
    services.turn_off(**place_of(facts))
    messages.success(request, "Nothing more is added to this graph.")
    return redirect("portal:graph", slug=request.account.slug, store=store)


@require_http_methods(["GET", "POST"])
@member_page(Permission.KEYS)
def delete(request: MemberRequest, store: str) -> HttpResponse:
    facts = store_of_request(request, store)
    if request.method == "POST":
        services.delete_graph(**place_of(facts))
        messages.success(request, "The graph is deleted. The store and its files stay as they are.")
        return redirect("portal:graph", slug=request.account.slug, store=store)
    return render(request, "portal/knowledge/graph_delete.html", {"store": facts})


def place_of(store: StoreFacts) -> dict[str, Any]:
    return {"account_id": store.account_id, "project_id": store.project_id, "store_id": store.public_id}


def _state(request: MemberRequest, store: StoreFacts, graph: GraphFacts) -> dict[str, Any]:
    fingerprint = f"{graph.status}-{zlib.crc32(repr(graph).encode())}"
    failed = selectors.documents_of_graph(**place_of(store), status="failed", limit=5) if graph.progress.failed else []
    return {"store": store, "graph": graph, "fingerprint": fingerprint, "failed": failed}


def _models(request: MemberRequest) -> list[ModelFacts]:
    return [model for model in models_for_account(account_id=request.account.id) if model.kind == "chat"]


def _names(request: MemberRequest) -> list[str]:
    return [model.public_name for model in _models(request)]


def _model(request: MemberRequest, name: str) -> ModelFacts | None:
    """None is offline, which is what an unknown name gives, too."""
    return next((model for model in _models(request) if model.public_name == name), None)


def _known(name: str) -> str:
    return name if name.isprintable() else ""


def _drawn(found: Picture) -> dict[str, Any]:
    return {
        "nodes": [_node(node) for node in found.nodes],
        "edges": [
            {
                "id": edge.id,
                "source": edge.subject.id,
                "target": edge.object.id,
                "label": edge.type,
                "confidence": round(edge.confidence, 3),
                "passages": edge.passages,
            }
            for edge in found.edges
        ],
        "is_cut": found.is_cut,
    }


def _node(node: EntityFacts) -> dict[str, Any]:
    return {"id": node.id, "label": node.name, "type": node.type, "mentions": node.mentions}
