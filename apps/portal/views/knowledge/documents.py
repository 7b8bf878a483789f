"""What was read of one document, passage by passage."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.knowledge import selectors
from apps.portal.access import MemberRequest, member_page
from apps.portal.views.knowledge.finding import document_of_request, store_of_request

A_PAGE = 25
LONGEST = 9  # digits


@require_safe
@member_page()
def document(request: MemberRequest, store: str, file: str) -> HttpResponse:
    """`at`: the passage that is looked for; its page is shown, and `#p-<position>` leads to it."""
    facts = store_of_request(request, store)
    found = document_of_request(request, facts, file)
    given = request.GET.get("at", "")
    at = int(given) if given.isascii() and given.isdigit() and len(given) <= LONGEST else 0
    last = max(0, found.passages_total - 1)
    since = min(at, last) // A_PAGE * A_PAGE
    context = {
        "store": facts,
        "document": found,
        "passages": selectors.passages_of_document(
            account_id=request.account.id,
            project_id=facts.project_id,
            store_id=store,
            file_id=file,
            since=since,
            limit=A_PAGE,
        ),
        "newer": since - A_PAGE,
        "older": since + A_PAGE if since + A_PAGE <= last else None,
    }
    return render(request, "portal/knowledge/document.html", context)
