"""OpenAI's error envelope: https://platform.openai.com/docs/guides/error-codes"""

import math

from rest_framework import exceptions

from apps.api.http import Response, encode
from apps.common.errors import ArtemisError, Unauthenticated
from apps.gateway import telemetry
from apps.gateway.contracts import LimitReached

_CODES = {
    400: "invalid_request",
    401: "invalid_api_key",
    403: "permission_denied",
    404: "not_found",
    405: "method_not_allowed",
    413: "request_too_large",
    415: "unsupported_media_type",
    431: "headers_too_large",
}


def envelope(message: str, *, kind: str, code: str, param: str | None, request_id: str) -> bytes:
    error = {"message": message, "type": kind, "param": param, "code": code, "request_id": request_id}
    return encode({"error": error})


def error_response(error: ArtemisError, request_id: str) -> Response:
    headers: dict[str, str] = {}
    if isinstance(error, LimitReached):
        headers |= error.rates.headers()
    if error.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="artemis"'
    telemetry.error_answered(error.status, error.code)
    body = envelope(error.message, kind=error.kind, code=error.code, param=error.param, request_id=request_id)
    return Response(error.status, body, headers=headers)


def plain_error(status: int, message: str, request_id: str, headers: dict[str, str] | None = None) -> Response:
    kind = "server_error" if status >= 500 else "invalid_request_error"
    code = _CODES.get(status, "internal_error" if status >= 500 else "invalid_request")
    telemetry.error_answered(status, code)
    body = envelope(message, kind=kind, code=code, param=None, request_id=request_id)
    return Response(status, body, headers=dict(headers or {}))


def framework_error(error: exceptions.APIException, request_id: str) -> Response:
    """DRF's own exceptions (wrong method, wrong content type) in the same form."""
    return plain_error(error.status_code, str(error.detail), request_id)
