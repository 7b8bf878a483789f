"""Stripe's errors: the envelope, and the ones that more than one resource answers with.

See https://docs.stripe.com/api/errors and https://docs.stripe.com/error-codes.
"""

from typing import Any

DOCUMENTATION = "https://docs.stripe.com/error-codes/"


class StripeError(Exception):
    """An answer other than 2xx."""

    def __init__(
        self,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        status: int = 400,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.fields: dict[str, Any] = {"type": kind, "message": message, **more}
        if code is not None:
            self.fields |= {"code": code, "doc_url": DOCUMENTATION + code.replace("_", "-")}
        if param is not None:
            self.fields["param"] = param

    def envelope(self, request_log_url: str) -> dict[str, Any]:
        return {"error": {**self.fields, "request_log_url": request_log_url}}


class InvalidParameter(StripeError):
    """Found before anything was done: such an answer is not kept for an idempotency key."""


def missing(param: str) -> InvalidParameter:
    return InvalidParameter(f"Missing required param: {param}.", code="parameter_missing", param=param)


def unknown(param: str) -> InvalidParameter:
    return InvalidParameter(f"Received unknown parameter: {param}", code="parameter_unknown", param=param)


def no_such(kind: str, identifier: str, *, param: str = "id", status: int = 400) -> StripeError:
    """404 for an object named in the path, 400 for one named by a parameter."""
    return StripeError(f"No such {kind}: '{identifier}'", code="resource_missing", param=param, status=status)


def unauthorized(message: str) -> StripeError:
    return StripeError(message, status=401)


def card_error(message: str, *, code: str, **more: Any) -> StripeError:
    return StripeError(message, kind="card_error", code=code, status=402, **more)
