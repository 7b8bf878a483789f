"""How errors are told, in OpenAI's envelope or Anthropic's: the same statuses, codes and sentences in both.

https://platform.openai.com/docs/guides/error-codes and https://docs.anthropic.com/en/api/errors
"""

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
    408: "request_timeout",
    413: "request_too_large",
    415: "unsupported_media_type",
    431: "headers_too_large",
}


_HOPELESS = frozenset({"request_quarantined"})


class Dialect:
    """OpenAI's way to tell an error; a subclass has another's."""

    def status(self, status: int) -> int:
        return status

    def envelope(self, message: str, *, status: int, kind: str, code: str, param: str | None, request_id: str) -> bytes:
        error = {"message": message, "type": kind, "param": param, "code": code, "request_id": request_id}
        return encode({"error": error})

    def headers(self, request_id: str) -> dict[str, str]:
        """What every answer has, errors or not."""
        return {}

    def error(self, error: ArtemisError, request_id: str) -> Response:
        headers: dict[str, str] = {}
        if isinstance(error, LimitReached):
            headers |= error.rates.headers()
        if error.retry_after is not None:
            headers["Retry-After"] = str(math.ceil(error.retry_after))
        if told := _retrying(error):
            headers["x-should-retry"] = told
        if isinstance(error, Unauthenticated):
            headers["WWW-Authenticate"] = 'Bearer realm="artemis"'
        return self._answer(
            error.status, error.message, error.kind, error.code, request_id, param=error.param, headers=headers
        )

    def plain(self, status: int, message: str, request_id: str, headers: dict[str, str] | None = None) -> Response:
        kind = "server_error" if status >= 500 else "invalid_request_error"
        code = _CODES.get(status, "internal_error" if status >= 500 else "invalid_request")
        return self._answer(status, message, kind, code, request_id, headers=headers or {})

    def of_framework(self, error: exceptions.APIException, request_id: str) -> Response:
        """DRF's own exceptions (wrong method, wrong content type) in the same form."""
        return self.plain(error.status_code, str(error.detail), request_id)

    def _answer(
        self,
        status: int,
        message: str,
        kind: str,
        code: str,
        request_id: str,
        *,
        headers: dict[str, str],
        param: str | None = None,
    ) -> Response:
        status = self.status(status)
        telemetry.error_answered(status, code)
        body = self.envelope(message, status=status, kind=kind, code=code, param=param, request_id=request_id)
        return Response(status, body, headers={**headers, **self.headers(request_id)})


def _retrying(error: ArtemisError) -> str:
    """For `x-should-retry`, which OpenAI's and Anthropic's clients obey: without it they repeat any 429 and 5xx.

    Only what time mends is worth it: not a budget that is spent, a request that no limit will ever let pass, or one
    that takes down engines. Of faults of our own that nobody foresaw, nothing is said.
    """
    if error.retry_after is not None:
        return "true"
    return "false" if error.status in (409, 429) or error.code in _HOPELESS else ""


class AnthropicDialect(Dialect):
    """A stable code stands where Anthropic's client looks for one, in `details`, and where OpenAI has it."""

    _TYPES = {
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        529: "overloaded_error",
    }

    def status(self, status: int) -> int:
        """Anthropic says 529 where nobody can answer now."""
        return 529 if status == 503 else status

    def envelope(self, message: str, *, status: int, kind: str, code: str, param: str | None, request_id: str) -> bytes:
        kind = self._TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
        error = {"type": kind, "message": message, "code": code, "param": param, "details": {"error_code": code}}
        return encode({"type": "error", "error": error, "request_id": request_id})

    def headers(self, request_id: str) -> dict[str, str]:
        """Where Anthropic's client looks for the id; ours is in `x-request-id` as well."""
        return {"request-id": request_id}


OPENAI, ANTHROPIC = Dialect(), AnthropicDialect()
_ANTHROPIC_PATH = "/v1/messages"


def dialect_of(path: str) -> Dialect:
    """For what goes wrong before there is a view."""
    return ANTHROPIC if path == _ANTHROPIC_PATH or path.startswith(f"{_ANTHROPIC_PATH}/") else OPENAI
