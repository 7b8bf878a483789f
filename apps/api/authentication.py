"""Finds the API key in a request, and who calls from where."""

import hmac
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication

from apps.api.http import Request
from apps.common.errors import Unauthenticated
from apps.gateway import services
from apps.keys.contracts import KeyFacts

MISSING = "No API key was given. Send it as the header: Authorization: Bearer sk-art-…, or x-api-key: sk-art-…"
DIFFERENT = "The headers Authorization and x-api-key hold different API keys; send one of them."
LONGEST_KEY = 200
MALFORMED = "The Authorization header must be 'Bearer' and one API key."


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer sk-art-…`, or `x-api-key` as Anthropic's clients have it. Asynchronous, for V1View."""

    async def authenticate(self, request: Request) -> KeyFacts:  # type: ignore[override]
        """Raises Unauthenticated, Forbidden or Unavailable."""
        token = api_key(request.header(b"authorization"), request.header(b"x-api-key"))
        return await services.authenticate(token, address=request.caller)


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[misc]
    target_class = ApiKeyAuthentication
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "sk-art-…"}


def api_key(authorization: str, x_api_key: str) -> str:
    """The key in either header, or in both where it is the same. Raises Unauthenticated."""
    if not x_api_key:
        return bearer_token(authorization)
    if len(x_api_key) > LONGEST_KEY or "," in x_api_key:
        raise Unauthenticated("The x-api-key header must be one API key.")
    if authorization and not hmac.compare_digest(bearer_token(authorization).encode(), x_api_key.encode()):
        raise Unauthenticated(DIFFERENT)
    return x_api_key


def bearer_token(header: str) -> str:
    """The key in an Authorization header. Raises Unauthenticated."""
    if not header:
        raise Unauthenticated(MISSING, code="missing_api_key")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token or len(token) > LONGEST_KEY or "," in token:
        raise Unauthenticated(MALFORMED)
    return token
