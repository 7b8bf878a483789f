"""What is known of one entity, of one relation, and of the way between two entities; which entities are one."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.contracts import Permission
from apps.common.errors import ArtemisError
from apps.keys import selectors as keys
from apps.knowledge.contracts import StoreFacts
from apps.knowledge.graph import selectors, services
from apps.knowledge.graph.contracts import LONGEST_PATH, EntityFacts
from apps.portal.access import MemberRequest, member_page
from apps.portal.views.knowledge.finding import key_of_store, store_of_request
from apps.portal.views.knowledge.graph import place_of

RELATIONS, PASSAGES, NAMESAKES = 30, 10, 6


@require_safe
@member_page()
def entity(request: MemberRequest, store: str, entity: str) -> HttpResponse:
    """As a page, or as the panel beside the picture."""
    facts = store_of_request(request, store)
    where = place_of(facts)
    found = selectors.entity_of_store(**where, entity_id=entity)
    relations, more = selectors.relations_of_store(**where, entity_id=entity, limit=RELATIONS)
    context: dict[str, Any] = {"store": facts, "entity": found, "relations": relations, "more_relations": more}
    if request.headers.get("HX-Request"):
        return render(request, "portal/knowledge/entity_panel.html", context)
    named, _ = selectors.entities_of_store(**where, search=found.name, limit=NAMESAKES)
    context |= {
        "passages": selectors.passages_of_entity(**where, entity_id=entity, since=0, limit=PASSAGES),
        "others": [one for one in named if one.id != found.id],
    }
    return render(request, "portal/knowledge/entity.html", context)


@require_safe
@member_page()
def relation(request: MemberRequest, store: str, relation: str) -> HttpResponse:
    facts = store_of_request(request, store)
    where = place_of(facts)
    context = {
        "store": facts,
        "relation": selectors.relation_of_store(**where, relation_id=relation),
        "passages": selectors.passages_of_relation(**where, relation_id=relation, since=0, limit=PASSAGES),
    }
    return render(request, "portal/knowledge/relation.html", context)


@require_safe
@member_page()
def way(request: MemberRequest, store: str) -> HttpResponse:
    """From one name to another, each taken for the most mentioned entity that it finds."""
    facts = store_of_request(request, store)
    names = {end: request.GET.get(end, "").strip()[:200] for end in ("from", "to")}
    ends = {end: _named(facts, name) for end, name in names.items()}
    context: dict[str, Any] = {"store": facts, "names": names, "longest": LONGEST_PATH}
    context["unknown"] = [names[end] for end, found in ends.items() if found is None and names[end]]
    first, last = ends["from"], ends["to"]
    if first and last:
        context["path"] = selectors.path_between(**place_of(facts), start=first.id, end=last.id, longest=LONGEST_PATH)
    return render(request, "portal/knowledge/graph_path.html", context)


@require_POST
@member_page(Permission.KEYS)
def merge(request: MemberRequest, store: str, entity: str) -> HttpResponse:
    """The one that is posted becomes the one of the address."""
    facts = store_of_request(request, store)
    key = keys.facts_of_key(account_id=request.account.id, public_id=key_of_store(request, facts).public_id)
    try:
        done = services.merge_entities(key=key, store_id=store, kept=entity, gone=request.POST.get("gone", ""))
    except ArtemisError as error:
        messages.error(request, error.message)
    else:
        messages.success(
            request, f"“{done.gone.name}” is “{done.kept.name}” now. It can be undone on the graph's page."
        )
    return redirect("portal:entity", slug=request.account.slug, store=store, entity=entity)


@require_POST
@member_page(Permission.KEYS)
def undo(request: MemberRequest, store: str, merge: str) -> HttpResponse:
    facts = store_of_request(request, store)
    done = services.undo_merge(**place_of(facts), merge_id=merge)
    messages.success(request, f"“{done.gone.name}” and “{done.kept.name}” are two again, and stay so.")
    return redirect("portal:graph", slug=request.account.slug, store=store)


def _named(store: StoreFacts, name: str) -> EntityFacts | None:
    if not name or not name.isprintable():
        return None
    found, _ = selectors.entities_of_store(**place_of(store), search=name, limit=1)
    return found[0] if found else None
