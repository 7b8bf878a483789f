"""Pages for requests that go wrong. They ask the database for nothing: it may be what is wrong."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import requires_csrf_token
from django_ratelimit.exceptions import Ratelimited

NO_STORE = "no-store"


def _page(request: HttpRequest, status: int, **context: str | int) -> HttpResponse:
    response = render(request, f"{status}.html", context, status=status, using=None)
    response["Cache-Control"] = NO_STORE
    return response


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _page(request, 400)


@requires_csrf_token
def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Also what a limit of rate raises, which is another status."""
    if isinstance(exception, Ratelimited):
        response = _page(request, 429)
        response["Retry-After"] = "60"
        return response
    return _page(request, 403, reason=str(exception or ""))


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _page(request, 404)


def too_large(request: HttpRequest, *, limit: int) -> HttpResponse:
    """Bytes that the whole request may have."""
    return _page(request, 413, limit=limit)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    response = render(request, "403_csrf.html", status=403)
    response["Cache-Control"] = NO_STORE
    return response
