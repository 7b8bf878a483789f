"""Who calls the management API: a person with a session, or a program with an API key that asks about itself."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request

from apps.api.authentication import api_key
from apps.common.addresses import caller_address
from apps.gateway.selectors import key_of_token
from apps.keys.contracts import KeyFacts


class PersonAuthentication(SessionAuthentication):
    """The portal's session; what writes needs the X-CSRFToken header as well."""

    def authenticate_header(self, request: Request) -> str:
        return 'Session realm="artemis"'


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer sk-art-…` or `x-api-key`, by the gateway's own rules."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, KeyFacts]:
        """Raises Unauthenticated or Forbidden."""
        meta = request._request.META
        address = caller_address(meta.get("REMOTE_ADDR", ""), meta.get("HTTP_X_FORWARDED_FOR", ""))
        token = api_key(meta.get("HTTP_AUTHORIZATION", ""), meta.get("HTTP_X_API_KEY", ""))
        return AnonymousUser(), key_of_token(token=token, address=address)


class PersonScheme(OpenApiAuthenticationExtension):  # type: ignore[misc]
    target_class = PersonAuthentication
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[misc]
    target_class = BearerAuthentication
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "sk-art-…"}
