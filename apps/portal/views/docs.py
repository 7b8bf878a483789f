"""Short pages on how to use the API."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

PAGES = {
    "quickstart": "Quickstart",
    "streaming": "Streaming",
    "errors": "Errors and limits",
    "models": "Models",
    "keys": "Keys",
    "usage": "Usage and costs",
}


@require_safe
def page(request: HttpRequest, page_slug: str = "quickstart") -> HttpResponse:
    if page_slug not in PAGES:
        raise Http404("There is no such page of the documentation.")
    context = {"pages": PAGES, "page_slug": page_slug, "title": PAGES[page_slug]}
    return render(request, f"portal/docs/{page_slug}.html", context)
