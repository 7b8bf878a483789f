"""The base of the management API's views: request ids, limits on writing, and who may do what in an account."""

import secrets
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, cast

from django.http import HttpRequest, HttpResponseBase
from django_ratelimit import UNSAFE
from django_ratelimit.core import get_usage
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from apps.accounts.contracts import AccountRow, Permission
from apps.accounts.selectors import account_of_user
from apps.api.management.authentication import PersonAuthentication
from apps.api.parsing import parse_object
from apps.common.errors import Forbidden, Invalid, LimitExceeded

MOST_BYTES = 256 * 1024
WRITES_A_MINUTE = "120/m"
Decorated = TypeVar("Decorated")


def described(**options: Any) -> Callable[[Decorated], Decorated]:
    """What the OpenAPI document says of a handler."""
    return cast(Callable[[Decorated], Decorated], extend_schema(**options))


class ObjectParser(JSONParser):
    """One JSON object of a size that policies and names can have."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> dict[str, Any]:
        body = stream.read(MOST_BYTES + 1)
        if len(body) > MOST_BYTES:
            message = f"The body is larger than {MOST_BYTES // 1024} KB."
            raise Invalid(None, message, code="request_too_large", status=413)
        return parse_object(body)


class ManagementView(APIView):
    """For people who are signed in, unless a view says otherwise."""

    authentication_classes = [PersonAuthentication]
    parser_classes = [ObjectParser]
    request_id: str

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.request_id = f"req_{secrets.token_hex(12)}"
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        response["X-Request-Id"] = self.request_id
        response["Cache-Control"] = "no-store"
        return response

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.limit(request)

    def limit(self, request: Request) -> None:
        """Raises LimitExceeded."""
        limit_writes(request)

    def checked(self, serializer: type[Serializer[Any]], *, partial: bool = False) -> dict[str, Any]:
        """The request's body (or, of a GET, its query), checked."""
        data = self.request.query_params if self.request.method in ("GET", "HEAD") else self.request.data
        bound = serializer(data=data, partial=partial)
        bound.is_valid(raise_exception=True)
        values: dict[str, Any] = bound.validated_data
        return values


class AccountView(ManagementView):
    """Below /accounts/<slug>: 404 for anybody who is not a member, 403 for a role that may not."""

    needs: ClassVar[dict[str, Permission]] = {}
    account: AccountRow

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.account = account_of_user(user_id=person(request), slug=kwargs["slug"])
        if self.needs.get(request.method or "", Permission.VIEW) not in self.account.permissions:
            raise Forbidden(f"The role {self.account.role} does not allow this. Ask an owner or an admin.")


def person(request: Request) -> int:
    return cast(int, request.user.pk)


def limit_writes(request: Request) -> None:
    """Raises LimitExceeded where one person (or, of those who are not signed in, one address) writes too often."""
    usage = get_usage(
        request._request, group="api.management", key="user_or_ip", rate=WRITES_A_MINUTE, method=UNSAFE, increment=True
    )
    if usage and usage["should_limit"]:
        raise LimitExceeded(
            "Too many changes in one minute; try again shortly.", retry_after=max(1, usage["time_left"])
        )


def shown(serializer: type[Serializer[Any]], row: Any, status: int = 200) -> Response:
    return Response(serializer(row).data, status=status)


def listed(serializer: type[Serializer[Any]], rows: Any, **more: Any) -> Response:
    return Response({"object": "list", "data": serializer(rows, many=True).data, **more})
