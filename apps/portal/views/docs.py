"""Short pages on how to use the API."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.portal.chat.turn import MOST_PASSAGES

PAGES = {
    "quickstart": "Quickstart",
    "streaming": "Streaming",
    "errors": "Errors and limits",
    "models": "Models",
    "knowledge": "Vector stores",
    "keys": "Keys",
    "usage": "Usage and costs",
}


@require_safe
def page(request: HttpRequest, page_slug: str = "quickstart") -> HttpResponse:
    if page_slug not in PAGES:
        raise Http404("There is no such page of the documentation.")
    context = {
        "pages": PAGES,
        "page_slug": page_slug,
        "title": PAGES[page_slug],
        "most_bytes": settings.FILES_MAX_DOCUMENT_BYTES,
        "most_at_once": settings.PORTAL_MAX_UPLOAD_BYTES,
        "chat_passages": MOST_PASSAGES,
        "most_documents": settings.KNOWLEDGE_MAX_DOCUMENTS,
        "most_stores": settings.KNOWLEDGE_MAX_STORES,
        "expired_days": settings.KNOWLEDGE_EXPIRED_DAYS,
        "most_prompt_days": settings.PROMPT_LOG_MAX_DAYS,
        "rerank_model": settings.KNOWLEDGE_RERANK_MODEL,
        "rewrite_model": settings.KNOWLEDGE_REWRITE_MODEL,
    }
    return render(request, f"portal/docs/{page_slug}.html", context)
