"""Every error of the management API in the envelope that /v1 uses; nothing that a caller sends is a 500."""

import logging
from typing import Any

from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse
from django.http.multipartparser import MultiPartParserError
from redis.exceptions import RedisError
from rest_framework.exceptions import APIException, ValidationError

from apps.api.errors import OPENAI
from apps.api.http import JSON
from apps.common.errors import ArtemisError, Forbidden, Invalid, NotFound, Unavailable

logger = logging.getLogger(__name__)
CODES = {"required": "missing_required_parameter", "unknown_parameter": "unknown_parameter"}
UNREADABLE = (BadRequest, SuspiciousOperation, MultiPartParserError)
AWAY = (OperationalError, InterfaceError, RedisError)


class FrameworkError(ArtemisError):
    """DRF's own refusal: a wrong method or content type, nobody signed in, a missing CSRF token."""

    type = "invalid_request_error"


def exception_handler(error: Exception, context: dict[str, Any]) -> HttpResponse:
    request_id = getattr(context.get("view"), "request_id", "")
    translated = translate(error)
    if translated is None:
        logger.exception("%s failed", request_id, exc_info=error)
        answer = OPENAI.plain(500, "Something went wrong on our side; it is logged.", request_id)
    else:
        answer = OPENAI.error(translated, request_id)
    response = HttpResponse(answer.body, status=answer.status, content_type=JSON, headers=answer.headers)
    if header := getattr(error, "auth_header", None):
        response["WWW-Authenticate"] = header
    return response


def translate(error: Exception) -> ArtemisError | None:
    """The error as one of ours; None for what nobody expected."""
    match error:
        case ArtemisError():
            return error
        case ValidationError():
            return first_of(error)
        case APIException():
            codes = error.get_codes()
            code = codes if isinstance(codes, str) else "invalid_request"
            return FrameworkError(str(error.detail), code=code, status=error.status_code)
        case Http404():
            return NotFound("There is nothing here.")
        case RequestDataTooBig():
            return Invalid(None, "The body is too large.", code="request_too_large", status=413)
        case PermissionDenied():
            return Forbidden("This is not allowed.")
    if isinstance(error, UNREADABLE):
        return Invalid(None, "The request could not be read.", code="invalid_request")
    if isinstance(error, AWAY):
        return Unavailable("The platform is busy or away for the moment; try again shortly.", retry_after=5)
    return None


def first_of(error: ValidationError) -> Invalid:
    """The first thing that is wrong, with the path to it ("allowed_models.0")."""
    detail: Any = error.detail
    path: list[str] = []
    while not isinstance(detail, str):
        if isinstance(detail, dict):
            name, detail = next(iter(detail.items()))
            path.append(str(name))
        elif len(detail) == 1 or isinstance(detail[0], str):
            detail = detail[0]
        else:
            place, detail = next((number, item) for number, item in enumerate(detail) if item)
            path.append(str(place))
    code = CODES.get(getattr(detail, "code", ""), "invalid_value")
    param = ".".join(name for name in path if name != "non_field_errors") or None
    return Invalid(param, str(detail), code=code)
