"""The errors that services raise and doors render.

ArtemisError
├── Invalid              400  what was sent cannot be used; `param` names it
├── Unauthenticated      401
├── Forbidden            403
├── NotFound             404  also for what belongs to somebody else
├── LimitExceeded        429  with `retry_after` seconds
└── Unavailable          503  with `retry_after` seconds
"""


class ArtemisError(Exception):
    """Carries what OpenAI's error envelope needs: a sentence, a type, a stable code and the parameter it is about."""

    status = 500
    type = "server_error"
    code = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.param = param
        self.status = status or type(self).status
        self.retry_after = retry_after

    @property
    def kind(self) -> str:
        """OpenAI's `type` of the error."""
        return type(self).type


class Invalid(ArtemisError):
    """Raised with the name of what is wrong first: `Invalid("expires_at", "Give a time in the future.")`."""

    status = 400
    type = "invalid_request_error"
    code = "invalid_value"

    def __init__(self, param: str | None, message: str, *, code: str | None = None, status: int | None = None) -> None:
        super().__init__(message, code=code, param=param, status=status)


class Unauthenticated(ArtemisError):
    status = 401
    type = "authentication_error"
    code = "invalid_api_key"


class Forbidden(ArtemisError):
    status = 403
    type = "permission_error"
    code = "permission_denied"


class NotFound(ArtemisError):
    status = 404
    type = "invalid_request_error"
    code = "not_found"


class LimitExceeded(ArtemisError):
    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"


class Unavailable(ArtemisError):
    status = 503
    type = "server_error"
    code = "service_unavailable"
