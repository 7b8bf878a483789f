"""Finds the API key in a request, and who calls from where."""

import ipaddress
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication

from apps.common.errors import Unauthenticated
from apps.gateway import services
from apps.keys.contracts import KeyFacts

MISSING = "No API key was given. Send it as the header: Authorization: Bearer sk-art-…"
MALFORMED = "The Authorization header must be 'Bearer' and one API key."


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer sk-art-…`. Asynchronous: awaited by V1View."""

    async def authenticate(self, request: HttpRequest) -> KeyFacts:  # type: ignore[override]
        """Raises Unauthenticated, Forbidden or Unavailable."""
        return await services.authenticate(bearer_token(request), address=caller_address(request))


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[misc]
    target_class = ApiKeyAuthentication
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "sk-art-…"}


def bearer_token(request: HttpRequest) -> str:
    header = str(request.META.get("HTTP_AUTHORIZATION", ""))
    if not header:
        raise Unauthenticated(MISSING, code="missing_api_key")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token or len(token) > 200 or "," in token:
        raise Unauthenticated(MALFORMED)
    return token


def caller_address(request: HttpRequest) -> str:
    """The peer, or what trusted proxies say of it: the last address in X-Forwarded-For that is not theirs."""
    peer = str(request.META.get("REMOTE_ADDR", ""))
    if not settings.TRUSTED_PROXIES or not _is_trusted(peer):
        return peer
    forwarded = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
    return next((str(address) for address in reversed(forwarded) if not _is_trusted(address)), peer)


def _is_trusted(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in settings.TRUSTED_PROXIES)
