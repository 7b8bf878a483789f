"""Finds the API key in a request, and who calls from where."""

from typing import Any

from django.http import HttpRequest
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication

from apps.common.addresses import caller_address
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
