"""Finds the API key in a request, and who calls from where."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication

from apps.api.http import Request
from apps.common.errors import Unauthenticated
from apps.gateway import services
from apps.keys.contracts import KeyFacts

MISSING = "No API key was given. Send it as the header: Authorization: Bearer sk-art-…"
MALFORMED = "The Authorization header must be 'Bearer' and one API key."


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer sk-art-…`. Asynchronous: awaited by V1View."""

    async def authenticate(self, request: Request) -> KeyFacts:  # type: ignore[override]
        """Raises Unauthenticated, Forbidden or Unavailable."""
        token = bearer_token(request.header(b"authorization"))
        return await services.authenticate(token, address=request.caller)


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[misc]
    target_class = ApiKeyAuthentication
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "sk-art-…"}


def bearer_token(header: str) -> str:
    """The key in an Authorization header. Raises Unauthenticated."""
    if not header:
        raise Unauthenticated(MISSING, code="missing_api_key")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token or len(token) > 200 or "," in token:
        raise Unauthenticated(MALFORMED)
    return token
